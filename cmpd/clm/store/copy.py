"""A store copied whole into another, of the same engine or the other, and compared before it counts.

The source is read as it is at one moment, the target written in one database transaction. Before that is
committed, the target is read back, and each table's count and hash compared with the source's.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cmpd.clm.store import create_store, is_postgres, open_store
from cmpd.clm.store.base import StoreError
from cmpd.clm.store.rows import Row
from cmpd.clm.store.sqlite import connection as sqlite_connections
from cmpd.clm.store.sqlite.backup import whole_or_not_at_all
from cmpd.clm.store.sqlite.failures import translated
from cmpd.clm.store.tables import TABLES, Table

BATCH = 1000

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are done, and how many it has; each row is done twice: once
written, once compared."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One table, equal in both stores."""

    table: str
    rows: int
    digest: str
    """SHA-256 over its rows, hexadecimal."""


class Side(ABC):
    """One end of a copy, within a database transaction."""

    @abstractmethod
    def count(self, table: Table) -> int: ...

    @abstractmethod
    def read(self, table: Table) -> Iterator[Row]: ...

    @abstractmethod
    def write(self, table: Table, rows: Iterator[Row]) -> None: ...


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


def back_up(source: str, path: Path) -> None:
    """Copy a store, while it serves, into a new SQLite file, whole or not at all. Raises StoreError."""
    try:
        with whole_or_not_at_all(path) as partial:
            sqlite_connections.fill(partial)
            _copy(source, str(partial), lambda table, done, rows: None)
    except sqlite3.Error as error:
        raise translated(error, str(path)) from None
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None


def _copy(source: str, target: str, progress: Progress) -> list[Copied]:
    with _side(source, writing=False) as origin, _side(target, writing=True) as destination:
        for table in TABLES:
            if destination.count(table):
                raise StoreError(f"the target is not empty ({table.name}); copy into a new store")
        return [_copy_table(table, origin, destination, progress) for table in TABLES]


def _copy_table(table: Table, origin: Side, destination: Side, progress: Progress) -> Copied:
    total = origin.count(table)
    sent, kept = hashlib.sha256(), hashlib.sha256()
    done = 0

    def counted(rows: Iterator[Row], digest: hashlib._Hash) -> Iterator[Row]:
        nonlocal done
        for row in rows:
            digest.update(repr(row).encode("utf-8", "surrogatepass"))
            done += 1
            if done % BATCH == 0:
                progress(table.name, done, 2 * total)
            yield row

    destination.write(table, counted(origin.read(table), sent))
    written = done
    read = sum(1 for _ in counted(destination.read(table), kept))
    progress(table.name, done, 2 * total)
    if not total == written == read or sent.digest() != kept.digest():
        raise StoreError(
            f"the copy of {table.name} is not what was sent ({written} of {total} rows sent, {read} found); "
            "nothing was kept"
        )
    return Copied(table.name, read, kept.hexdigest())


@contextlib.contextmanager
def _side(where: str, *, writing: bool) -> Iterator[Side]:
    if is_postgres(where):
        from cmpd.clm.store.postgres.copy import side

        with side(where, writing=writing) as one:
            yield one
        return
    connection = sqlite_connections.connect(Path(where), wait=10)
    try:
        connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
        yield _SQLiteSide(connection)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise translated(error, where) from None
    finally:
        connection.close()


class _SQLiteSide(Side):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self, table: Table) -> int:
        (rows,) = self._connection.execute(table.count).fetchone()
        return int(rows)

    def read(self, table: Table) -> Iterator[Row]:
        cursor = self._connection.execute(table.select)
        cursor.arraysize = BATCH
        while rows := cursor.fetchmany():
            yield from rows

    def write(self, table: Table, rows: Iterator[Row]) -> None:
        self._connection.executemany(table.insert, rows)
        if table.afterwards:
            self._connection.execute(table.afterwards)
