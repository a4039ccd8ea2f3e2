"""A backup of a PostgreSQL store: a SQLite store of its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cmpd.clm.store.base import StoreError
from cmpd.clm.store.postgres import copy as postgres_copy
from cmpd.clm.store.sides import copy_tables
from cmpd.clm.store.sqlite import copy as sqlite_copy
from cmpd.clm.store.sqlite.backup import whole_or_not_at_all
from cmpd.clm.store.sqlite.connection import fill
from cmpd.clm.store.sqlite.failures import translated


def back_up(url: str, path: Path) -> None:
    """Copy the store, while it serves, into a new SQLite file, whole or not at all. Raises StoreError."""
    try:
        with whole_or_not_at_all(path) as partial:
            fill(partial)
            with (
                postgres_copy.side(url, writing=False) as origin,
                sqlite_copy.side(str(partial), writing=True) as destination,
            ):
                copy_tables(origin, destination, lambda table, done, rows: None)
    except sqlite3.Error as error:
        raise translated(error, str(path)) from None
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
