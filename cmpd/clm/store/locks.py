"""Locks between processes on one machine, by files, that end with the process that holds them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from cmpd.clm.store.base import StoreUnavailable
from cmpd.clm.store.ownership import hand_over

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25


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
async def held(path: Path, *, shared: bool, otherwise: str) -> AsyncIterator[None]:
    """Hold the lock while the context lasts; raise StoreUnavailable with the text `otherwise` at once
    where another holds it, unless both are shared."""
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreUnavailable(otherwise) from None
        yield


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
