"""A SQLite store as one end of a copy."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from cmpd.clm.store.rows import Row
from cmpd.clm.store.sides import BATCH, Side
from cmpd.clm.store.sqlite.connection import connect
from cmpd.clm.store.sqlite.failures import translated
from cmpd.clm.store.tables import Table


@contextlib.contextmanager
def side(path: str, *, writing: bool) -> Iterator[Side]:
    """Within one transaction, committed where the context ends well. Raises StoreError."""
    connection = connect(Path(path), wait=10)
    try:
        connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
        yield _SQLiteSide(connection)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise translated(error, path) from None
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
