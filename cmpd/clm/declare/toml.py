"""Writing TOML: as much of it as documents need."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


def table(path: Iterable[str], document: Mapping[str, Any]) -> str:
    """A table with its keys and subtables."""
    names = tuple(path)
    lines = [f"[{'.'.join(_key(name) for name in names)}]"]
    subtables = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            subtables.append(table((*names, key), value))
        elif value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    return "\n".join(lines) + "\n" + "".join(f"\n{one}" for one in subtables)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value.startswith("-----BEGIN"):
            return f'"""\n{value}"""'
        return _text(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return str(value)
