"""A store whose boundary fails on order, to see what its users make of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, cast

from cmpd.clm.store.base import Store, StoreUnavailable
from cmpd.clm.store.changes import Unit


class FaultyStore:
    """Everything passes through to `store`, but for the faults that are set.

    ``FaultyStore.around(store)`` gives it as a `Store` together with its controls.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.before_commit: Callable[[Unit], Exception | None] | None = None
        """Asked for each unit; what it gives is raised, and nothing of the unit was done."""
        self.after_commit: Callable[[Unit], Exception | None] | None = None
        """Asked for each unit once it is durable; what it gives is raised: the answer was lost."""
        self.on_read: Callable[[str], Exception | None] | None = None
        """Asked for each read, by the method's name; what it gives is raised."""
        self.delay = 0.0
        """Seconds before each commit and read."""
        self.units: list[Unit] = []
        """All units that were committed, in order."""

    @classmethod
    def around(cls, store: Store) -> tuple[Store, FaultyStore]:
        faulty = cls(store)
        return cast(Store, faulty), faulty

    async def commit(self, unit: Unit) -> None:
        await self._pause()
        _raise(self.before_commit and self.before_commit(unit))
        await self._store.commit(unit)
        self.units.append(unit)
        _raise(self.after_commit and self.after_commit(unit))

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()

    def __getattr__(self, name: str) -> Any:
        passed = getattr(self._store, name)
        if inspect.iscoroutinefunction(passed):

            async def read(*arguments: Any, **named: Any) -> Any:
                await self._pause()
                _raise(self.on_read and self.on_read(name))
                return await passed(*arguments, **named)

            return read
        if inspect.isasyncgenfunction(passed):

            async def read_all(*arguments: Any, **named: Any) -> Any:
                await self._pause()
                _raise(self.on_read and self.on_read(name))
                async for record in passed(*arguments, **named):
                    yield record

            return read_all
        return passed

    async def _pause(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error


def once(error: Exception | None = None) -> Callable[[Any], Exception | None]:
    """A fault that strikes the first time only; StoreUnavailable unless given."""
    left = [error or StoreUnavailable("the store is gone, as the test ordered")]
    return lambda _: left.pop() if left else None


def always(error: Exception | None = None) -> Callable[[Any], Exception | None]:
    """A fault that strikes each time; StoreUnavailable unless given."""
    return lambda _: error or StoreUnavailable("the store is gone, as the test ordered")


def touching(kind: type, fault: Callable[[Any], Exception | None]) -> Callable[[Unit], Exception | None]:
    """The fault, for units that hold a change of the kind only."""
    return lambda unit: fault(unit) if any(isinstance(change, kind) for change in unit) else None
