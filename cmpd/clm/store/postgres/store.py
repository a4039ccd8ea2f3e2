"""The store in PostgreSQL, for many nodes: equal ones, that share nothing but the database.

Group commit, as in SQLite, but with the sync on the other side of a network: while one group of units is
being committed, the next one gathers. A group goes out in a pipeline, in one database transaction, on the
assumption that each write does what is expected of it; only queries are waited for. Before the commit the
results are compared with the assumption, and where one differs, or anything fails, all is rolled back and
each unit is run by itself, step by step. So the common case costs two round trips for the whole group,
and the order of units is the order of their effects in both ways.

A commit whose answer is lost is looked up: each transaction inserts a token of its own, and inserting the
token again waits for the transaction if it is still under way, clashes if it was committed, and otherwise
makes it impossible to come through any more. What was rolled back is tried again, for `patience` seconds.
Were the outcome still unknown then, OutcomeUnknown says so; the request, repeated, meets its own transaction
or none. A commit that waits longer than that, for a standby that is away, is left to itself in the same way.

Audit: a chain for each process of each node. One for all nodes would make every commit of the cluster wait
for every other, as a chain is a queue by its nature. A process has one commit under way at a time anyway, so
a chain of its own costs it nothing; each chain is verified by itself, and its times relate it to the others.
That a chain is missing whole shows in the heads (`audit_heads`), as a missing end does.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psycopg

from cmpd.clm.audit import ChainHead
from cmpd.clm.model import FailedAttempts
from cmpd.clm.store.base import RequestState, StoreError, StoreUnavailable
from cmpd.clm.store.changes import DeleteObject, PutObject, Unit
from cmpd.clm.store.effects import BatchTotals, NoteAttempts, Probe
from cmpd.clm.store.postgres import migrations
from cmpd.clm.store.postgres.address import parse
from cmpd.clm.store.postgres.connections import Connection, Connections, Retry, commit
from cmpd.clm.store.postgres.failures import is_engine_failure, is_lost, is_passing, translated
from cmpd.clm.store.postgres.session import CRL_LOCKS, SERVING_LOCKS, Session, held, locked
from cmpd.clm.store.postgres.sql import DAMAGED, FORGET_TOKENS, LOOK, POSTGRES, SHARED_LOCK_COUNT
from cmpd.clm.store.postgres.units import alone, together
from cmpd.clm.store.reading import Reading
from cmpd.clm.store.rows import Row

_STARTING = 3.0
"""Seconds to wait for a server that is away when the store is opened: long enough for its restart, short
enough for an operator who mistyped its name."""
_TOKENS_KEPT = 86_400

_Result = TypeVar("_Result")
_Work = Callable[[Connection, bytes], Awaitable[None]]
"""Begins a transaction with the token in it, and does something there."""


@dataclass(slots=True)
class _Waiting:
    unit: Sequence[object]
    done: asyncio.Future[None]


class OutcomeUnknown(StoreUnavailable):
    """A commit may have been done, or may be done yet, or not."""


class PostgresStore(Reading):
    """A `Store` in a database that `cmpd init` made a store."""

    sql = POSTGRES

    def __init__(
        self,
        url: str,
        *,
        synchronous: str = "full",
        node: str = "",
        patience: float = 10.0,
        connections: int = 4,
    ) -> None:
        """`node` names this node in the audit; the host's name unless given. `patience`: seconds to go on
        trying while the database is away or busy. `connections`: the most to use for reads and commits."""
        if synchronous not in ("full", "normal"):
            raise StoreError(f"synchronous is full or normal, not {synchronous}")
        self._address = parse(url)
        self._url = url
        self._node = node or os.uname().nodename
        self._patience = patience
        self._connections = Connections(self._address, most=connections, synchronous=synchronous)
        self._session = Session(self._address, self._node)
        self._head: tuple[str, ChainHead] | None = None
        """The chain this process wrote to last, and its end then."""
        self._open = False
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        trial = Retry(min(_STARTING, self._patience))
        while True:
            try:
                await asyncio.to_thread(migrations.prepare, self._address)
                break
            except StoreUnavailable as failure:
                await trial.failed(failure, again=True)
        await self._session.start(self._patience)
        self._open = True

    async def close(self) -> None:
        self._open = False
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        await self._session.stop()
        await self._connections.close()

    async def commit(self, unit: Unit) -> None:
        await self._commit(unit)
        if any(isinstance(change, PutObject | DeleteObject) for change in unit):
            self._session.saw(await super().change_counter())

    async def check(self) -> None:
        await self._commit([Probe()])

    async def change_counter(self) -> int:
        counter = self._session.counter
        return await super().change_counter() if counter is None else counter

    async def request_state(self, transaction: bytes, entity: str) -> RequestState:
        request_state = await super().request_state(transaction, entity)
        self._session.saw(request_state.counter)
        return request_state

    async def forget_transactions(self, now: int, limit: int) -> int:
        async def forget(connection: Connection) -> int:
            await connection.execute(FORGET_TOKENS, (int(time.time()) - _TOKENS_KEPT,))
            return (await connection.execute(self.sql.forget_transactions, (now, limit))).rowcount

        return await self._persistently(forget)

    async def note_attempts(self, told: Sequence[FailedAttempts], since: float) -> None:
        # In no group: the units there would hold locks of their own beside the counter's.
        note = [NoteAttempts(told, since)]
        await self._transact(
            lambda connection, token: alone(connection, token, BatchTotals(self._session.chain), note)
        )

    async def integrity(self) -> list[str]:
        found = [(text, await self.rows(statement, ())) for text, statement in DAMAGED]
        return [f"{rows[0][0]} {text}" for text, rows in found if rows[0][0]]

    async def backup(self, path: Path) -> None:
        from cmpd.clm.store.postgres.backup import back_up

        await asyncio.to_thread(back_up, self._url, path)

    def serving(self) -> AbstractAsyncContextManager[None]:
        return held(
            self._address,
            (SERVING_LOCKS, ""),
            self._patience,
            shared=True,
            otherwise=f"the store {self._address.shown} is being copied; start cmpd when that is done",
        )

    async def serving_processes(self) -> int:
        rows = await self.rows(SHARED_LOCK_COUNT, (SERVING_LOCKS,))
        return int(rows[0][0])

    def alone(self) -> AbstractAsyncContextManager[None]:
        return held(
            self._address,
            (SERVING_LOCKS, ""),
            self._patience,
            shared=False,
            otherwise=f"a daemon serves the store {self._address.shown}; stop it, on all nodes, first",
        )

    def crl_lock(self, ca: str, partition: int) -> AbstractAsyncContextManager[None]:
        return locked(self._address, (CRL_LOCKS, f"{ca}/{partition}"), self._patience)

    async def rows(self, statement: str, parameters: Row) -> list[Row]:
        async def query(connection: Connection) -> list[Row]:
            return await (await connection.execute(statement, parameters)).fetchall()

        return await self._persistently(query)

    async def _persistently(self, work: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        """Do what may be done twice, again if need be."""
        trial = Retry(self._patience)
        while True:
            try:
                async with self._connections.lease() as connection:
                    return await work(connection)
            except psycopg.Error as error:
                failure = translated(error, self._address.shown)
                await trial.failed(failure, again=is_lost(error) or is_passing(error))
            except StoreUnavailable as failure:
                await trial.failed(failure, again=True)

    async def _commit(self, unit: Sequence[object]) -> None:
        if not self._open:
            raise StoreUnavailable(f"the store {self._address.shown} is closed")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(unit, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def _flush(self) -> None:
        """Commit one group after the other until nobody waits."""
        try:
            while self._waiting:
                # Who was cancelled before anything was done for it does not want it done any more.
                group = [waiting for waiting in self._waiting if not waiting.done.done()]
                self._waiting = []
                await self._commit_group(group)
        finally:
            self._flushing = None

    async def _commit_group(self, group: list[_Waiting]) -> None:
        try:
            await self._commit_together([waiting.unit for waiting in group])
        except OutcomeUnknown as unknown:
            for waiting in group:
                _tell(waiting, OutcomeUnknown(str(unknown)))
        except Exception:  # noqa: BLE001 - nothing was done; each unit, run alone, is told its own failure
            for waiting in group:
                await self._commit_alone(waiting)
        else:
            for waiting in group:
                _tell(waiting, None)

    async def _commit_together(self, units: list[Sequence[object]]) -> None:
        """Raises OutcomeUnknown; anything else where nothing of them was done."""
        book = BatchTotals(self._session.chain)
        if self._head is not None and self._head[0] == book.chain:
            book.head = self._head[1]
        self._head = None
        await self._transact(lambda connection, token: together(connection, token, book, units), once=True)
        self._head = None if book.head is None else (book.chain, book.head)

    async def _commit_alone(self, waiting: _Waiting) -> None:
        def work(connection: Connection, token: bytes) -> Awaitable[None]:
            return alone(connection, token, BatchTotals(self._session.chain), waiting.unit)

        try:
            await self._transact(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this unit's, and who waits gets it
            _tell(waiting, error)
        else:
            _tell(waiting, None)

    async def _transact(self, work: _Work, *, once: bool = False) -> None:
        """Do the work in a database transaction, for certain and not twice; unless `once`, try again while
        what hinders it may pass. Raises what the work raises; StoreUnavailable."""
        trial = Retry(self._patience)
        while True:
            token, committing = os.urandom(16), False
            try:
                async with self._connections.lease() as connection:
                    await self._attempt(connection, token, work)
                    committing = True
                    await commit(connection, self._patience)
                return
            except StoreUnavailable as unavailable:
                await trial.failed(unavailable, again=True)
            except psycopg.Error as error:
                failure = translated(error, self._address.shown)
                if committing and is_lost(error) and await self._was_committed(token, trial):
                    return
                again = is_lost(error) or is_passing(error)
                if not again and not is_engine_failure(error):
                    raise failure from None
                await trial.failed(failure, again=again and not once)

    async def _attempt(self, connection: Connection, token: bytes, work: _Work) -> None:
        try:
            await work(connection, token)
        except psycopg.Error:
            # Its transaction ends with it, as does what psycopg takes for prepared and the server, where a
            # pipeline failed, did not come to prepare.
            await connection.close()
            raise
        except BaseException:
            await connection.execute("ROLLBACK")
            raise

    async def _was_committed(self, token: bytes, trial: Retry) -> bool:
        """Look: true if it was, false if it was not and never will be. Raises OutcomeUnknown."""
        unknown = OutcomeUnknown(
            f"{self._address.shown}: a commit did not end in time, or its connection was lost, and it cannot "
            "be found out whether it was done; is a standby away that commits wait for?"
        )
        while True:
            try:
                async with self._connections.lease() as connection:
                    cursor = await connection.execute(LOOK, (token, int(time.time())))
                    return cursor.rowcount == 0
            except (psycopg.Error, StoreError):
                await trial.failed(unknown, again=True)


def _tell(waiting: _Waiting, error: BaseException | None) -> None:
    if waiting.done.done():
        return
    if error is None:
        waiting.done.set_result(None)
    else:
        waiting.done.set_exception(error)
