"""Connections to the server: a few, made when needed, kept while they work.

Not psycopg_pool: that reconnects on a schedule of its own, up to minutes after the server is back, and
tells whoever waits only that it waited; here the next request tries at once, and is told why it fails.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TypeAlias

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor

from cmpd.clm.store.postgres.address import Address
from cmpd.clm.store.postgres.failures import not_connected, translated
from cmpd.clm.store.postgres.statements import SETTINGS, SYNC_AT_LEAST_HERE, SYNC_LATER
from cmpd.clm.store.rows import Row

Connection: TypeAlias = AsyncConnection[Row]


async def connect(address: Address, *, synchronous: str = "full") -> Connection:
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


class Connections:
    """At most `most` connections, shared by whoever needs one for a moment."""

    def __init__(self, address: Address, *, most: int, synchronous: str) -> None:
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
