"""A connection of a store's own that stands while the store is open: it hears of changes, and holds locks.

It tells when a configuration document changed on any node: at once by LISTEN/NOTIFY, and within a second
by asking, where notifications do not come through. A lock that ends with it says which name among the
node's audit chains this process writes to. When the connection is lost it is made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeAlias

import psycopg

from cmpd.clm.store.base import StoreError, StoreUnavailable
from cmpd.clm.store.postgres.connections import connect, connected
from cmpd.clm.store.postgres.failures import translated
from cmpd.clm.store.postgres.sql import LISTEN, LOCK, POSTGRES, TRY_LOCK, TRY_LOCK_SHARED, WAIT_FOR_LOCKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cmpd.clm.store.postgres.address import DatabaseAddress
    from cmpd.clm.store.postgres.connections import Connection

Lock: TypeAlias = tuple[int, str]
"""An advisory lock: its kind and its name."""

CHAIN_LOCKS, SERVING_LOCKS, CRL_LOCKS = 1129140293, 1129140294, 1129140295
"""The first halves of advisory locks' keys, so that the kinds do not meet."""

_POLL = 1.0
_PAUSE = 0.5
_KEEPING = 5.0
_MOST_CHAINS = 1024


class Session:
    """Runs from `start` to `stop`."""

    def __init__(self, address: DatabaseAddress, node: str) -> None:
        self._address = address
        self._node = node
        self._task: asyncio.Task[None] | None = None
        self.chain = node
        """The audit chain this process appends to."""
        self._heard: int | None = None
        self._seen = 0

    @property
    def counter(self) -> int | None:
        """The change counter, the highest that was heard or seen since there is this connection; None while
        nothing can be heard."""
        return None if self._heard is None else max(self._heard, self._seen)

    def saw(self, counter: int) -> None:
        """Note a change counter that was read elsewhere."""
        self._seen = max(self._seen, counter)

    async def start(self, patience: float) -> None:
        """Raises StoreError where the first connection does not come about in so many seconds."""
        connection = await connected(self._address, patience)
        await self._prepare(connection)
        self._task = asyncio.create_task(self._run(connection))

    async def stop(self) -> None:
        """Let go of everything."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._lost()

    async def _run(self, connection: Connection) -> None:
        while True:
            try:
                await self._listen(connection)
            except psycopg.Error:
                self._lost()
            finally:
                await connection.close()
            connection = await self._reconnected()

    def _lost(self) -> None:
        """A server that took over may lack the latest commits, and count on from less."""
        self._heard, self._seen = None, 0

    async def _reconnected(self) -> Connection:
        while True:
            connection = await _connected_again(self._address)
            with contextlib.suppress(psycopg.Error):
                await self._prepare(connection)
                return connection

    async def _prepare(self, connection: Connection) -> None:
        for number in range(1, _MOST_CHAINS):
            self.chain = self._node if number == 1 else f"{self._node}/{number}"
            if await _taken(connection, TRY_LOCK, (CHAIN_LOCKS, self.chain)):
                break
        with contextlib.suppress(psycopg.NotSupportedError):  # then there is asking
            await connection.execute(LISTEN)
        await self._ask(connection)

    async def _ask(self, connection: Connection) -> None:
        rows = await (await connection.execute(POSTGRES.change_counter)).fetchall()
        self._heard = int(rows[0][0])

    async def _listen(self, connection: Connection) -> None:
        while True:
            async for _ in connection.notifies(timeout=_POLL, stop_after=1):
                pass
            await self._ask(connection)


async def _taken(connection: Connection, statement: str, lock: Lock) -> bool:
    rows = await (await connection.execute(statement, lock)).fetchall()
    return bool(rows[0][0])


@contextlib.asynccontextmanager
async def locked(address: DatabaseAddress, lock: Lock, patience: float) -> AsyncIterator[None]:
    """Hold the lock alone while the context lasts, on a connection of its own; wait for it."""
    connection = await connected(address, patience)
    try:
        await connection.execute(WAIT_FOR_LOCKS)
        await connection.execute(LOCK, lock)
        yield
    except psycopg.Error as error:
        raise translated(error, address.shown) from None
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def held(
    address: DatabaseAddress, lock: Lock, patience: float, *, shared: bool, otherwise: str
) -> AsyncIterator[None]:
    """Hold the lock while the context lasts; raise StoreUnavailable with the text `otherwise` at once
    where another holds it, unless both are shared. A shared one is taken again when its connection was
    lost: whoever came in between kept out those who start, not those who serve."""
    statement = TRY_LOCK_SHARED if shared else TRY_LOCK
    connection = await connected(address, patience)
    keeping: asyncio.Task[None] | None = None
    try:
        if not await _taken(connection, statement, lock):
            raise StoreUnavailable(otherwise)
        if shared:
            keeping = asyncio.create_task(_keep(address, connection, lock))
        yield
    finally:
        if keeping is not None:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
        await connection.close()


async def _keep(address: DatabaseAddress, connection: Connection, lock: Lock) -> None:
    while True:
        try:
            while True:
                await asyncio.sleep(_KEEPING)
                await connection.execute(POSTGRES.change_counter)
        except psycopg.Error:
            pass
        finally:
            await connection.close()
        connection = await _connected_again(address)
        with contextlib.suppress(psycopg.Error):
            await _taken(connection, TRY_LOCK_SHARED, lock)


async def _connected_again(address: DatabaseAddress) -> Connection:
    while True:
        await asyncio.sleep(_PAUSE)
        with contextlib.suppress(StoreError):
            return await connect(address)
