"""A PostgreSQL store as one end of a copy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from cmpd.clm.store.postgres.address import parse
from cmpd.clm.store.postgres.failures import not_connected, translated
from cmpd.clm.store.postgres.sql import SYNC_HERE_ALONE
from cmpd.clm.store.rows import Row
from cmpd.clm.store.sides import BATCH, Side
from cmpd.clm.store.tables import Table


@contextlib.contextmanager
def side(url: str, *, writing: bool) -> Iterator[Side]:
    """Within one transaction, committed where the context ends well. Raises StoreError."""
    address = parse(url)
    try:
        connection = psycopg.connect(address.conninfo)
    except psycopg.Error as error:
        raise not_connected(error, address.shown) from None
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = not writing
    try:
        with connection:
            connection.execute(SYNC_HERE_ALONE)
            yield _PostgresSide(connection)
    except psycopg.Error as error:
        raise translated(error, address.shown) from None


class _PostgresSide(Side):
    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def count(self, table: Table) -> int:
        row = self._connection.execute(table.count.encode()).fetchone()
        return int(row[0]) if row else 0

    def read(self, table: Table) -> Iterator[Row]:
        with self._connection.cursor(name="reading") as cursor:
            cursor.itersize = BATCH
            cursor.execute(table.select.encode())
            yield from cursor

    def write(self, table: Table, rows: Iterator[Row]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(table.copy.encode()) as copying:
            for row in rows:
                copying.write_row(row)
        if table.afterwards:
            self._connection.execute(table.afterwards.encode())
