"""What a running daemon takes from a configuration that is read again, and what waits for a restart."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmpd.config import Config, ListenConfig, Rule


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The configuration to go on with."""

    config: Config
    changed: tuple[str, ...]
    """Dotted names of the keys that change at once."""
    waiting: tuple[str, ...]
    """Those that stay as they were until a restart."""


def reloaded(old: Config, new: Config) -> Reloaded:
    """`old` with what of `new` needs no restart."""
    changed: list[str] = []
    waiting: list[str] = []
    return Reloaded(_taken(old, new, "", changed, waiting), tuple(changed), tuple(waiting))


def _taken(old: Any, new: Any, prefix: str, changed: list[str], waiting: list[str]) -> Any:
    values: dict[str, Any] = {}
    for item in fields(old):
        rule: Rule | None = item.metadata.get("rule")
        before, after = getattr(old, item.name), getattr(new, item.name)
        if rule is None or before == after:
            continue
        name = prefix + item.name
        if is_dataclass(before):
            values[item.name] = _taken(before, after, f"{name}.", changed, waiting)
        elif name == "listen" and _addresses(before) == _addresses(after):
            values[item.name] = tuple(
                _taken(old, new, f"{name} {old.address}: ", changed, waiting)
                for old, new in zip(before, after, strict=True)
            )
        elif rule.restart:
            waiting.append(name)
        else:
            values[item.name] = after
            changed.append(name)
    return replace(old, **values)


def _addresses(listeners: tuple[ListenConfig, ...]) -> list[str]:
    """What decides about the sockets, which are opened at the start."""
    return [one.address for one in listeners]
