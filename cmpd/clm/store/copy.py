"""A store copied whole into another, of the same engine or the other, and compared before it counts.

The source is read as it is at one moment, the target written in one database transaction. Before that is
committed, the target is read back, and each table's count and hash compared with the source's.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from contextlib import AbstractContextManager

from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import StoreError
from cmpd.clm.store.place import is_postgres
from cmpd.clm.store.sides import Copied, Progress, Side, copy_tables
from cmpd.clm.store.sqlite.copy import side as sqlite_side


async def copy_store(source: str, target: str, progress: Progress) -> list[Copied]:
    """Copy everything. The target must be empty, or not be there yet.

    Raises StoreError, also while a daemon serves one of the two.
    """
    if source == target:
        raise StoreError("the source and the target are the same store")
    origin = open_store(source)
    await origin.open()
    try:
        destination = open_store(target)
        try:
            await destination.open()
        except StoreError:
            destination = create_store(target)  # which says what is wrong, if that was not all
            await destination.open()
        try:
            async with origin.alone(), destination.alone():
                return await _interruptibly(source, target, progress)
        finally:
            await destination.close()
    finally:
        await origin.close()


async def _interruptibly(source: str, target: str, progress: Progress) -> list[Copied]:
    """Copy in a thread. Whoever cancels this has the thread undo what it did, and end."""
    interrupted = threading.Event()

    def show(table: str, done: int, rows: int) -> None:
        if interrupted.is_set():
            raise StoreError("interrupted; nothing was kept")
        progress(table, done, rows)

    copying = asyncio.ensure_future(asyncio.to_thread(_copy, source, target, show))
    try:
        return await asyncio.shield(copying)
    except asyncio.CancelledError:
        interrupted.set()
        with contextlib.suppress(StoreError):
            await copying
        raise


def _copy(source: str, target: str, progress: Progress) -> list[Copied]:
    with _side(source, writing=False) as origin, _side(target, writing=True) as destination:
        return copy_tables(origin, destination, progress)


def _side(where: str, *, writing: bool) -> AbstractContextManager[Side]:
    if is_postgres(where):
        from cmpd.clm.store.postgres.copy import side

        return side(where, writing=writing)
    return sqlite_side(where, writing=writing)
