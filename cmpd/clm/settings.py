"""How configuration documents become frozen dataclasses, and back.

A policy, a template or a CA is stored as a JSON-able dictionary. Each field of its dataclass is a
`setting`, which says of which kind its value is; `read` checks a dictionary against the class and names
the key that is wrong, `dump` gives back the dictionary, without what equals the default.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class DocumentError(Exception):
    """A document is wrong; `key` says where (``keys.algorithms``), the text what was expected."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}" if key else text)
        self.key = key
        self.text = text


@dataclass(frozen=True, slots=True)
class ValueType:
    """A kind of value: `parse(value, key)` checks and converts, `dump` converts back."""

    parse: Callable[[Any, str], Any]
    dump: Callable[[Any], Any] = lambda value: value


def setting(kind: ValueType, default: Any = dataclasses.MISSING, *, formerly: Sequence[str] = ()) -> Any:
    """A dataclass field of this kind; without a default the key must be there. `formerly`: what the key was
    called in earlier releases."""
    return dataclasses.field(default=default, metadata={"kind": kind, "formerly": tuple(formerly)})


def read(cls: type[T], document: Any, key: str = "") -> T:
    """An instance of the settings class from a dictionary. Raises DocumentError."""
    if not isinstance(document, Mapping):
        raise DocumentError(key, f"a table is expected, not {_shown(document)}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type] # settings classes are dataclasses
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in fields or not fields[name].init:
            raise DocumentError(_join(key, str(name)), _unknown(str(name), fields))
        kind: ValueType = fields[name].metadata["kind"]
        values[name] = kind.parse(value, _join(key, name))
    for name, field in fields.items():
        if field.init and name not in values and field.default is dataclasses.MISSING:
            raise DocumentError(_join(key, name), "is missing")
    return cls(**values)


def dump(instance: Any) -> dict[str, Any]:
    """The dictionary from which `read` makes an equal instance; what has its default is left out."""
    document: dict[str, Any] = {}
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if field.init and value != field.default:
            document[field.name] = field.metadata["kind"].dump(value)
    return document


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _unknown(name: str, known: Mapping[str, dataclasses.Field[Any]]) -> str:
    for new, field in known.items():
        if name in field.metadata.get("formerly", ()):
            return f"is called {new!r} now: write that instead"
    near = difflib.get_close_matches(name, known, 1)
    return f"unknown key; {near[0]!r} is meant?" if near else f"unknown key; known are {', '.join(known)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise DocumentError(key, f"a text is expected, not {_shown(value)}")
    return value


def _flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise DocumentError(key, f"true or false is expected, not {_shown(value)}")
    return value


def count(least: int, most: int) -> ValueType:
    """A whole number within bounds."""

    def parse(value: Any, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise DocumentError(
                key, f"a whole number from {least} to {most} is expected, not {_shown(value)}"
            )
        return value

    return ValueType(parse)


def choice(*known: str) -> ValueType:
    """One of a few words."""
    return member(lambda: known)


def member(register: Callable[[], Iterable[str]]) -> ValueType:
    """One of the words a register has when the document is read."""

    def parse(value: Any, key: str) -> str:
        known = tuple(register())
        if value not in known:
            raise DocumentError(key, f"one of {', '.join(known)} is expected, not {_shown(value)}")
        return str(value)

    return ValueType(parse)


def listing(kind: ValueType) -> ValueType:
    """A list without repetitions, as a tuple."""

    def parse(value: Any, key: str) -> tuple[Any, ...]:
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise DocumentError(key, f"a list is expected, not {_shown(value)}")
        found = tuple(kind.parse(item, f"{key}[{index}]") for index, item in enumerate(value))
        for index, item in enumerate(found):
            if item in found[:index]:
                raise DocumentError(f"{key}[{index}]", f"{_shown(value[index])} stands there twice")
        return found

    return ValueType(parse, lambda value: [kind.dump(item) for item in value])


def optional(kind: ValueType) -> ValueType:
    """A value that may be absent (None)."""
    return ValueType(
        lambda value, key: None if value is None else kind.parse(value, key),
        lambda value: None if value is None else kind.dump(value),
    )


def table(names: ValueType, values: ValueType) -> ValueType:
    """A table of like values, as a tuple of (name, value) in the document's order."""

    def parse(value: Any, key: str) -> tuple[tuple[str, Any], ...]:
        if not isinstance(value, Mapping):
            raise DocumentError(key, f"a table is expected, not {_shown(value)}")
        return tuple(
            (names.parse(name, _join(key, str(name))), values.parse(item, _join(key, str(name))))
            for name, item in value.items()
        )

    return ValueType(parse, lambda value: {name: values.dump(item) for name, item in value})


def nested(cls: type[Any]) -> ValueType:
    """A table that is a settings class of its own."""
    return ValueType(lambda value, key: read(cls, value, key), dump)


UNITS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}


LONGEST = 200 * UNITS["y"]
"""Seconds of the longest duration: X.509 times end with the year 9999, and plans well before."""


def parse_duration(value: Any, key: str = "") -> int:
    """Seconds, from a number of seconds or a text such as ``30d``, ``5m``, ``1y`` (365 days)."""
    seconds = value
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,10})([ywdhms])", value)):
        seconds = int(match[1]) * UNITS[match[2]]
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
        raise DocumentError(key, f"a duration is expected, such as 30d, 12h, 5m or 2y, not {_shown(value)}")
    if seconds > LONGEST:
        raise DocumentError(key, f"a duration of at most {duration_text(LONGEST)} is expected")
    return seconds


def duration_text(seconds: int) -> str:
    """The shortest text that `parse_duration` reads as these seconds."""
    unit = next(unit for unit, size in UNITS.items() if seconds % size == 0 and (seconds or unit == "s"))
    return f"{seconds // UNITS[unit]}{unit}"


def _pattern(value: Any, key: str) -> str:
    text = _text(value, key)
    try:
        re.compile(text)
    except re.error as error:
        raise DocumentError(key, f"no regular expression: {error}") from error
    return text


def _base64(value: Any, key: str) -> bytes:
    try:
        return base64.b64decode(_text(value, key), validate=True)
    except binascii.Error as error:
        raise DocumentError(key, f"base64 is expected: {error}") from error


def _oid(value: Any, key: str) -> str:
    text = _text(value, key)
    if not re.fullmatch(r"[0-2](\.(0|[1-9]\d{0,38})){1,31}", text):
        raise DocumentError(key, f"an object identifier in dotted form is expected, not {_shown(value)}")
    return text


TEXT = ValueType(_text)
FLAG = ValueType(_flag)
DURATION = ValueType(parse_duration, duration_text)
PATTERN = ValueType(_pattern)
"""A regular expression that must match the whole value."""
BASE64 = ValueType(_base64, lambda value: base64.b64encode(value).decode())
OID = ValueType(_oid)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a policy, template, CA or API client may be called: it stands in URLs and file names."""


def check_name(name: str, key: str = "name") -> None:
    """Raises DocumentError where a policy, template, CA or client cannot be called so."""
    if not NAME.fullmatch(name):
        raise DocumentError(
            key, f"1 to 64 letters, digits, dots, hyphens and underscores are expected, not {name!r}"
        )
