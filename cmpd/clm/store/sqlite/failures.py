"""What SQLite's errors mean for the store: gone for now, or in need of an operator."""

from __future__ import annotations

import sqlite3

from cmpd.clm.store.base import StoreCorrupt, StoreError, StoreUnavailable

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

# Primary result codes of the engine's failures; any other error is the fault of one unit.
_FAILURES: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreUnavailable, "another process keeps the store {path} locked; try again"),
    sqlite3.SQLITE_LOCKED: (StoreUnavailable, "another process keeps the store {path} locked; try again"),
    sqlite3.SQLITE_FULL: (StoreUnavailable, "no space left for the store {path}: free some"),
    sqlite3.SQLITE_READONLY: (
        StoreUnavailable,
        "the store {path} is read-only: make it, its -wal and -shm files and their directory writable for "
        "the user cmpd runs as, or the file system writable",
    ),
    sqlite3.SQLITE_PERM: (StoreUnavailable, "no permission for the store {path}"),
    sqlite3.SQLITE_CANTOPEN: (
        StoreUnavailable,
        "cannot open the store {path}: it, or its directory, is missing or not accessible",
    ),
    sqlite3.SQLITE_IOERR: (StoreUnavailable, "reading or writing the store {path} failed ({name})"),
    sqlite3.SQLITE_NOMEM: (StoreUnavailable, "no memory left for the store {path}"),
    sqlite3.SQLITE_PROTOCOL: (StoreUnavailable, "the locks of the store {path} do not work ({name})"),
    sqlite3.SQLITE_CORRUPT: (
        StoreCorrupt,
        "the store {path} is damaged ({name}): stop cmpd and restore a backup",
    ),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "{path} is not an SQLite database: restore a backup of the store"),
}


def _primary(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def is_busy(error: BaseException) -> bool:
    """Whether somebody else has the lock; nothing was done, and all may be tried again."""
    return isinstance(error, sqlite3.Error) and _primary(error) in _BUSY


def is_engine_failure(error: BaseException) -> bool:
    """Whether the database failed, and with it every unit of the transaction, rather than one unit."""
    return isinstance(error, sqlite3.Error) and _primary(error) in _FAILURES


def translated(error: sqlite3.Error, path: str) -> StoreError:
    """The store's own error for one of SQLite's."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    kind, text = _FAILURES.get(_primary(error), (StoreError, "the store {path} refuses: {error} ({name})"))
    return kind(text.format(path=path, name=name, error=error))
