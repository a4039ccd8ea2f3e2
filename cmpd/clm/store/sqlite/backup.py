"""Copies of a store's file: taken while it serves, and put back while nothing does."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from cmpd.clm.store.base import StoreError
from cmpd.clm.store.place import hand_over
from cmpd.clm.store.sqlite.connection import copy_whole, require_store
from cmpd.clm.store.sqlite.failures import translated


def back_up(source: Path, target: Path) -> None:
    """Write a consistent copy to `target`, mode 0600, whole or not at all. Raises StoreError; blocks."""
    if not source.exists():
        raise StoreError(f"there is no store {source}")
    _copy(source, target)


def restore(source: Path, target: Path) -> None:
    """Make the backup `source` the store `target`, which must not exist: an operator moves a store away,
    cmpd destroys none. Raises StoreError; blocks."""
    try:
        require_store(source)
    except sqlite3.Error as error:
        raise translated(error, str(source)) from None
    if target.exists():
        raise StoreError(f"{target} exists already; it stays as it is")
    for suffix in ("-wal", "-shm"):
        leftover = target.with_name(target.name + suffix)
        if leftover.exists():
            raise StoreError(
                f"{leftover} belongs to a store that was here; move it away together with that store"
            )
    _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    try:
        with whole_or_not_at_all(target) as partial:
            copy_whole(source, partial)
    except sqlite3.Error as error:
        raise translated(error, f"{source} (copied to {target})") from None
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from None


@contextlib.contextmanager
def whole_or_not_at_all(target: Path) -> Iterator[Path]:
    """Gives an empty file, mode 0600, to write to; it becomes `target` where the context ends well.

    Raises StoreError where `target` exists by then.
    """
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    hand_over(descriptor, target)
    os.close(descriptor)
    try:
        yield partial
        try:
            os.link(partial, target)  # unlike a rename, never overwrites
        except FileExistsError:
            raise StoreError(f"{target} exists already; it stays as it is") from None
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        partial.unlink(missing_ok=True)
