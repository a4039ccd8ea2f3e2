"""From a parsed document to sections, with errors that name file, line and key, and what was expected."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from cmpd.config.keys import ConfigError, Rule
from cmpd.config.sections import ListenConfig


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns a parsed document into sections, and knows the line of each key for its errors."""

    path: Path
    text: str

    def error(self, name: str, what: str) -> ConfigError:
        return ConfigError(f"{self._place(name)}: {what}")

    def _place(self, name: str) -> str:
        last = name.rsplit(".", 1)[-1]
        for number, line in enumerate(self.text.splitlines(), 1):
            if re.match(rf"\s*\[*\s*{re.escape(last)}\s*(=|\])", line):
                return f"{self.path}:{number}: {name}"
        return f"{self.path}: {name}"

    def from_text(self, name: str, text: str) -> Any:
        """An override's text as TOML would have it: a number, true or false, a list, or plain text."""
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
        return value if isinstance(value, int | bool | list) else text

    def section(self, kind: Any, document: Any, prefix: str) -> Any:
        if not isinstance(document, dict):
            raise self.error(prefix.rstrip("."), "a table is expected")
        known = {item.name: item for item in fields(kind) if "rule" in item.metadata}
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        for name, value in document.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"; {close[0]} is meant?" if close else f"; known are: {', '.join(known)}"
                raise self.error(prefix + name, f"no such key{hint}")
            values[name] = self._value(prefix + name, hints[name], known[name], value)
        for name, hint in hints.items():
            if name in known and name not in values and is_dataclass(hint):
                values[name] = self.section(hint, {}, f"{prefix}{name}.")
        built = kind(**values)
        return replace(built, **self._defaulted_paths(built, hints, values))

    def _defaulted_paths(self, built: Any, hints: dict[str, Any], given: dict[str, Any]) -> dict[str, Path]:
        return {
            name: self.path.parent / getattr(built, name)
            for name, hint in hints.items()
            if hint is Path and name not in given and name != "path"
        }

    def _value(self, name: str, hint: Any, item: Field[Any], value: Any) -> Any:
        rule: Rule = item.metadata["rule"]
        if is_dataclass(hint):
            return self.section(hint, value, f"{name}.")
        if hint == tuple[ListenConfig, ...]:
            if not isinstance(value, list):
                raise self.error(name, f"[[{name}]] tables are expected")
            return tuple(self.section(ListenConfig, one, f"{name}.") for one in value)
        if hint is bool:
            if not isinstance(value, bool):
                raise self.error(name, f"true or false is expected, not {value!r}")
            return value
        if hint is int:
            return self._number(name, rule, value)
        if hint == tuple[str, ...]:
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise self.error(name, f"a list of texts is expected, not {value!r}")
            return tuple(value)
        if not isinstance(value, str):
            raise self.error(name, f"text is expected, not {value!r}")
        if hint is Path or hint == Path | None:
            if not value:
                raise self.error(name, "a path is expected, not empty text")
            return self.path.parent / value
        if rule.choices and value not in rule.choices:
            raise self.error(name, f"one of {', '.join(rule.choices)} is expected, not {value!r}")
        return value

    def _number(self, name: str, rule: Rule, value: Any) -> int:
        unit = f" {rule.unit}" if rule.unit else ""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(name, f"a whole number{' of' + unit if unit else ''} is expected, not {value!r}")
        low, high = rule.low, rule.high
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.error(name, f"{low} to {high}{unit} are expected, not {value}")
        return value


def split_address(address: str, reader: Reader | None = None) -> tuple[str, int]:
    """(host, port); for unix:PATH (path, 0). Raises ConfigError."""
    if address.startswith("unix:") and len(address) > len("unix:"):
        return address.removeprefix("unix:"), 0
    host, separator, port = address.rpartition(":")
    if separator and port.isdecimal() and int(port) < 1 << 16:
        return host.strip("[]"), int(port)
    what = f"host:port, [IPv6]:port or unix:PATH is expected, not {address!r}"
    raise reader.error("address", what) if reader else ConfigError(what)
