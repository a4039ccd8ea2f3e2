"""A connection to a store's file: made, checked, and brought to this version's schema."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from cmpd.clm.store.base import StoreError
from cmpd.clm.store.computed import Computed
from cmpd.clm.store.place import hand_over
from cmpd.clm.store.sqlite.failures import translated
from cmpd.clm.store.sqlite.sql import APPLICATION_ID, MIGRATIONS

SYNCHRONOUS = ("full", "normal")
"""``full`` syncs every commit. ``normal`` syncs at checkpoints only: a power cut may take back the last
commits, whose certificates devices then hold and the store does not know; a crash of cmpd alone does not."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # which the file remembers, but for one that was a backup
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -4096",  # KiB: bounded, however large the store
    "PRAGMA wal_autocheckpoint = 2000",  # pages: fewer, larger checkpoints write hot pages once
    "PRAGMA journal_size_limit = 67108864",
)
_SET_SYNCHRONOUS = {"full": "PRAGMA synchronous = FULL", "normal": "PRAGMA synchronous = NORMAL"}
_STATEMENTS_KEPT = 256


def connect(path: Path, *, synchronous: str = "full", wait: float = 0.0) -> sqlite3.Connection:
    """Open the file, which must exist, for the calling thread. `wait`: seconds to wait for locks.

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=wait,
        isolation_level=None,
        cached_statements=_STATEMENTS_KEPT,
    )
    try:
        for pragma in (*_PRAGMAS, _SET_SYNCHRONOUS[synchronous]):
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def require_current_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError unless this version of cmpd made the schema, or brought it up."""
    if _version(connection, path) < len(MIGRATIONS):
        raise StoreError(f"the store {path} has an older schema; open it with a command of this cmpd first")


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an older schema to this version's, after a copy of the file was put beside it.

    Raises StoreError where the file is no store of cmpd, or of a later cmpd; sqlite3.Error.
    """
    if _version(connection, path) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")  # of several processes that start, one migrates
    try:
        version = _version(connection, path)
        if version < len(MIGRATIONS):
            _copy_aside(path, version)
            _apply(connection, version)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def create_file(path: Path) -> None:
    """Make an empty store, mode 0600, whole or not at all. Raises StoreError, also where the file exists."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        hand_over(descriptor, path)
        os.close(descriptor)
    except FileExistsError:
        raise StoreError(f"{path} exists already; name another store, or move it away yourself") from None
    except OSError as error:
        raise StoreError(f"cannot make the store {path}: {error.strerror}") from None
    try:
        fill(path)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise translated(error, str(path)) from None
        raise


def fill(path: Path) -> None:
    """Make the empty file an empty store. Raises StoreError, sqlite3.Error."""
    with contextlib.closing(connect(path)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            raise StoreError(
                f"the file system of {path} cannot hold a store: SQLite's write-ahead log needs shared "
                "memory, which network file systems lack; use a local disk, or PostgreSQL"
            )
        connection.execute("BEGIN IMMEDIATE")
        _apply(connection, 0)
        connection.execute("COMMIT")


def require_store(path: Path) -> None:
    """Raise StoreError unless the file is a whole store of this cmpd or an earlier one; sqlite3.Error."""
    uri = f"file:{quote(str(path))}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        _version(connection, path)
        problems = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if problems != [("ok",)]:
        raise StoreError(f"{path} is damaged: {problems[0][0]}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is not a store of cmpd; make one with `cmpd init`")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the store {path} has schema {version} of a later cmpd; this one knows schemas up to "
            f"{len(MIGRATIONS)}: install the later cmpd again, or restore the backup from before the upgrade"
        )
    return int(version)


def _apply(connection: sqlite3.Connection, version: int) -> None:
    for migration in MIGRATIONS[version:]:
        for step in migration:
            if isinstance(step, Computed):
                rows = connection.execute(step.select).fetchall()
                connection.executemany(step.write, step.compute(rows))
            else:
                connection.execute(step)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")  # a PRAGMA allows no parameters
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS):d}")


def _copy_aside(path: Path, version: int) -> None:
    aside = path.with_name(f"{path.name}.schema-{version}")
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        raise StoreError(
            f"{aside} is in the way: the store is copied there before its schema changes; move it elsewhere"
        ) from None
    copy_whole(path, aside)


def copy_whole(source: Path, target: Path) -> None:
    """Copy the store as it is at one moment, while others read and write it, into the empty file `target`.

    In one step: SQLite would begin anew after each write of others between steps, while a single step
    reads from one snapshot. Raises sqlite3.Error; blocks, so call it off the event loop.
    """
    reader = sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=10)
    try:
        writer = sqlite3.connect(target, isolation_level=None)
        try:
            reader.backup(writer, pages=-1)
            # The copy took over that there is a log beside the file; a copy has to be whole in one file.
            writer.execute("PRAGMA journal_mode = DELETE")
        finally:
            writer.close()
    finally:
        reader.close()
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
