"""Locks between processes on one machine, by files, that end with the process that holds them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from cmpd.clm.store.base import StoreUnavailable
from cmpd.clm.store.place import hand_over

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25
_PLACES = 1024
"""Enough for the workers of an outgoing and an incoming daemon (`workers` is 256 at most)."""
_FLOCK = struct.Struct("@hhqqi")
"""struct flock with 64-bit offsets: type, whence, start, length, pid. The locks are those of an open file
description, not of a process, which would lose them with any other descriptor of the file it closes."""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"cannot open the lock {path}: {error.strerror}") from None
    try:
        hand_over(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def place_of_many(path: Path, *, otherwise: str) -> AsyncIterator[None]:
    """Hold one of the file's places, the first that is free, while the context lasts; raise
    StoreUnavailable with the text `otherwise` at once where there is none: somebody holds all."""
    with _opened(path) as descriptor:
        if not any(_locked(descriptor, place, 1) for place in range(_PLACES)):
            raise StoreUnavailable(otherwise)
        yield


@contextlib.asynccontextmanager
async def all_places(path: Path, *, otherwise: str) -> AsyncIterator[None]:
    """Hold all of the file's places while the context lasts; raise StoreUnavailable with the text
    `otherwise` at once where another holds one."""
    with _opened(path) as descriptor:
        if not _locked(descriptor, 0, _PLACES):
            raise StoreUnavailable(otherwise)
        yield


def places_held(path: Path) -> int:
    """How many hold a place now; who holds all counts for none. Raises StoreUnavailable."""
    with _opened(path) as descriptor:
        found = (_asked(descriptor, fcntl.F_OFD_GETLK, place, 1) for place in range(_PLACES))
        return sum(kind != fcntl.F_UNLCK and length == 1 for kind, length in found)


def _locked(descriptor: int, start: int, length: int) -> bool:
    try:
        _asked(descriptor, fcntl.F_OFD_SETLK, start, length)
    except BlockingIOError:
        return False
    return True


def _asked(descriptor: int, command: int, start: int, length: int) -> tuple[int, int]:
    """Set a lock on a range of the file, or ask who is in its way: (kind, length) of that one's lock."""
    answer = fcntl.fcntl(descriptor, command, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
    kind, _, _, in_the_way, _ = _FLOCK.unpack(answer)
    return kind, in_the_way


@contextlib.asynccontextmanager
async def awaited(path: Path) -> AsyncIterator[None]:
    """Hold the lock alone while the context lasts; wait for it without holding up the event loop."""
    with _opened(path) as descriptor:
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        yield
