"""Frozen dataclasses that are made for each request: frozen to the type checker, quick to make.

A frozen dataclass sets each attribute by a call of `object.__setattr__`, which makes it five times as
costly as a plain one: 0.05 ms of each enrolment. So what is made per request is a `quick_dataclass`, which
is `dataclass` to mypy, and at run time leaves the freezing to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

__all__ = ["quick_dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass as quick_dataclass
else:

    def quick_dataclass(*, frozen: bool, slots: bool):
        """`dataclass(frozen=True, slots=True)`, as far as mypy and `hash` go."""
        return dataclass(slots=slots, unsafe_hash=frozen)
