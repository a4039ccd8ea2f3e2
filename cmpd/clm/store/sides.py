"""A store beside another, each table copied and compared, whatever the engines are."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cmpd.clm.store.base import StoreError
from cmpd.clm.store.rows import Row
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


def copy_tables(origin: Side, destination: Side, progress: Progress) -> list[Copied]:
    """Copy everything into an empty store. Raises StoreError, also where what is read back differs."""
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
