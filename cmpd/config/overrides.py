"""Keys set by the environment: CMPD_HTTP_BODY_SIZE is http.body_size."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from cmpd.config.keys import ConfigError
from cmpd.config.reader import Reader
from cmpd.config.sections import ListenConfig

ENVIRONMENT = "CMPD_"
NOT_KEYS = frozenset({"CMPD_CONF"})
"""Variables of the environment that begin alike and mean something else."""
OF_ENGINES = re.compile(r"CMPD_(PORT|SERVICE)(_|$)")
"""What container engines set in every container for a service named cmpd."""


def overrides(environment: Mapping[str, str], config: Any) -> dict[str, str]:
    """Dotted name → text, for the variables that name keys of `config`. Raises ConfigError."""
    found: dict[str, str] = {}
    names = {name.replace(".", "_").upper(): name for name in key_names(config)}
    for variable, value in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT) or variable in NOT_KEYS or OF_ENGINES.match(variable):
            continue
        name = names.get(variable.removeprefix(ENVIRONMENT))
        if name is None:
            close = difflib.get_close_matches(variable, [ENVIRONMENT + known for known in names], 1)
            hint = f"; {close[0]} is meant?" if close else ""
            raise ConfigError(f"environment: {variable} names no key of the configuration{hint}")
        found[name] = value
    return found


def key_names(section: Any, prefix: str = "") -> list[str]:
    """The dotted names of a section's keys."""
    names: list[str] = []
    hints = get_type_hints(section)
    for item in fields(section):
        if "rule" not in item.metadata:
            continue
        kind = ListenConfig if hints[item.name] == tuple[ListenConfig, ...] else hints[item.name]
        if is_dataclass(kind):
            names.extend(key_names(kind, f"{prefix}{item.name}."))
        else:
            names.append(prefix + item.name)
    return names


def merge(document: dict[str, Any], given: dict[str, str], reader: Reader) -> dict[str, Any]:
    """The document with what the environment gives in its place. Raises ConfigError."""
    for name, text in given.items():
        *tables, last = name.split(".")
        place = document
        for table in tables:
            place = _sole(name, place, reader) if table == "listen" else place.setdefault(table, {})
        place[last] = reader.from_text(name, text)
    return document


def _sole(name: str, document: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """The one [[listen]] that the environment can mean."""
    listeners = document.setdefault("listen", [{}])
    if isinstance(listeners, list) and len(listeners) == 1 and isinstance(listeners[0], dict):
        return listeners[0]
    raise reader.error(name, "from the environment it is for one [[listen]], and the file has others")
