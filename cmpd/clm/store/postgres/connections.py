"""Connections to the server: a few, made when needed, kept while they work.

Not psycopg_pool: that reconnects on a schedule of its own, up to minutes after the server is back, and
tells whoever waits only that it waited; here the next request tries at once, and is told why it fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import TypeAlias

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor

from cmpd.clm.store.base import StoreError, StoreUnavailable
from cmpd.clm.store.postgres.address import DatabaseAddress
from cmpd.clm.store.postgres.failures import not_connected, translated
from cmpd.clm.store.postgres.sql import SETTINGS, SYNC_AT_LEAST_HERE, SYNC_LATER
from cmpd.clm.store.rows import Row

Connection: TypeAlias = AsyncConnection[Row]

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.5


class Retry:
    """Trying again, with growing pauses, within a bound in seconds."""

    def __init__(self, patience: float) -> None:
        self._deadline = time.monotonic() + patience
        self._pause = _FIRST_PAUSE

    async def failed(self, failure: StoreError, *, again: bool) -> None:
        """Wait for the next try; raise the failure where there is none."""
        if not again or time.monotonic() + self._pause > self._deadline:
            raise failure
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


async def connected(address: DatabaseAddress, patience: float) -> Connection:
    """`connect`, again and again while the server is away. Raises StoreError."""
    trial = Retry(patience)
    while True:
        try:
            return await connect(address)
        except StoreUnavailable as failure:
            await trial.failed(failure, again=True)


async def connect(address: DatabaseAddress, *, synchronous: str = "full") -> Connection:
    """A new connection, in autocommit mode, with `$1` for parameters. Raises StoreError."""
    try:
        connection = await AsyncConnection.connect(
            address.conninfo, autocommit=True, cursor_factory=AsyncRawCursor
        )
    except psycopg.Error as error:
        raise not_connected(error, address.shown) from None
    try:
        await connection.execute(SETTINGS)
        await connection.execute(SYNC_AT_LEAST_HERE if synchronous == "full" else SYNC_LATER)
    except psycopg.Error as error:
        await connection.close()
        raise translated(error, address.shown) from None
    return connection


async def commit(connection: Connection, patience: float) -> None:
    """Commit, or cut the connection after so many seconds: a commit that waits for a standby is bound by
    no setting of the server's, and cancelling it would have it done without the standby.

    Raises psycopg.Error; where the connection was cut, one of a lost connection.
    """
    committing = asyncio.ensure_future(connection.execute("COMMIT"))
    await asyncio.wait((committing,), timeout=patience)
    if not committing.done():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as peer:
            peer.shutdown(socket.SHUT_RDWR)
    await committing


class Connections:
    """At most `most` connections, shared by whoever needs one for a moment."""

    def __init__(self, address: DatabaseAddress, *, most: int, synchronous: str) -> None:
        self._address = address
        self._synchronous = synchronous
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(most)

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[Connection]:
        """Raises StoreError where no connection comes about.

        One that is broken, or still in a transaction after its use, is closed and not used again.
        """
        async with self._free:
            connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = await connect(self._address, synchronous=self._synchronous)
            try:
                yield connection
            finally:
                if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                    self._idle.append(connection)
                else:
                    await connection.close()

    async def close(self) -> None:
        """Close those that are not in use."""
        while self._idle:
            await self._idle.pop().close()
