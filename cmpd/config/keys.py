"""What a key of the configuration is: a dataclass field with its rule."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any


class ConfigError(Exception):
    """The configuration cannot be used; one line that names file, key, what was expected."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a key admits beyond its type."""

    doc: str
    unit: str = ""
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    restart: bool = True
    """Whether a change takes effect only with a new start."""


def key(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] = (),
    restart: bool = True,
) -> Any:
    """A configuration key: a dataclass field with its rule."""
    rule = Rule(doc, unit, low, high, choices, restart)
    if default is MISSING:
        return field(metadata={"rule": rule})
    if isinstance(default, type):
        return field(default_factory=default, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def live(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A key that a reload changes at once."""
    return key(default, doc, unit=unit, low=low, high=high, choices=choices, restart=False)
