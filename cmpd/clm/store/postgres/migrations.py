"""The schema, made and brought up to this version's. Blocks: it runs before anything is served."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from cmpd.clm.store.base import StoreError
from cmpd.clm.store.computed import Computed
from cmpd.clm.store.postgres.failures import not_connected, translated
from cmpd.clm.store.postgres.sql import (
    CHANGE_VERSION,
    HAS_VERSION,
    MIGRATIONS,
    SET_VERSION,
    SYNC_HERE_ALONE,
    VERSION,
    VERSION_TABLE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmpd.clm.store.postgres.address import DatabaseAddress

OLDEST_SERVER = 150000
"""PostgreSQL 15: what is tested, and what the project still supports longest."""

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(1129140292, 0)"


def create(address: DatabaseAddress) -> None:
    """Make the tables of an empty store. Raises StoreError, also where a store is there already."""
    with _transaction(address) as connection:
        if _has_store(connection):
            raise StoreError(
                f"{address.shown} holds a store already; name another database, or drop it yourself"
            )
        connection.execute(VERSION_TABLE)
        connection.execute(SET_VERSION, (len(MIGRATIONS),))
        _apply(connection, 0)


def prepare(address: DatabaseAddress) -> None:
    """Check that a store is there, and migrate it where its schema is older. Raises StoreError."""
    with _transaction(address) as connection:
        if not _has_store(connection):
            raise StoreError(f"{address.shown} does not contain a store of cmpd; make one with `cmpd init`")
        row = connection.execute(VERSION).fetchone()
        version = row[0] if row else 0
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the store {address.shown} has schema {version} of a later cmpd; this one knows schemas up "
                f"to {len(MIGRATIONS)}: upgrade this node too, or restore the backup from before the upgrade"
            )
        if version < len(MIGRATIONS):
            _apply(connection, version)
            connection.execute(CHANGE_VERSION, (len(MIGRATIONS),))


@contextmanager
def _transaction(address: DatabaseAddress) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(address.conninfo)
    except psycopg.Error as error:
        raise not_connected(error, address.shown) from None
    try:
        with connection:
            if connection.info.server_version < OLDEST_SERVER:
                raise StoreError(
                    f"{address.shown} is PostgreSQL {connection.info.server_version // 10000}; "
                    f"cmpd needs {OLDEST_SERVER // 10000} or later: upgrade the server"
                )
            connection.execute(SYNC_HERE_ALONE)
            connection.execute(_ONE_AT_A_TIME)
            yield connection
    except psycopg.Error as error:
        raise translated(error, address.shown) from None


def _has_store(connection: psycopg.Connection) -> bool:
    row = connection.execute(HAS_VERSION).fetchone()
    return bool(row and row[0])


def _apply(connection: psycopg.Connection, version: int) -> None:
    for migration in MIGRATIONS[version:]:
        for step in migration:
            if isinstance(step, Computed):
                rows = connection.execute(step.select.encode()).fetchall()
                with psycopg.RawCursor(connection) as cursor:
                    cursor.executemany(step.write.encode(), step.compute(rows))
            else:
                connection.execute(step.encode())
