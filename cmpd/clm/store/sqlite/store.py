"""The store in one SQLite file: one connection, one writer at a time, commits shared by those who wait.

Group commit: `commit` queues its unit and asks the event loop for one flush, which waits while other
requests that have arrived already come to queue theirs: until two passes of the loop brought none, or
until GATHERING is over. An idle server pays two empty passes, 0.02 ms, for it; a busy one shares each
commit among most of its clients. The flush applies all units in one database transaction, commits once,
with one sync, and wakes the waiters. Where a unit fails, all are rolled back and applied again, each behind
a savepoint, so that it fails alone.

The flush runs on the event loop, not in a thread. Measured on two shared cores with an NVMe disk, a unit of
three changes with its commit and sync costs the loop 0.28 ms alone and 0.13 ms where four share it; handed
to a thread it costs 0.37 ms and 0.16 ms, and takes longer as well: the hop and the fight for the
interpreter lock cost more than the sync, some 0.1 ms, would let others do meanwhile.

Other processes share the file: workers and the command line. Who finds it locked does not block the loop
but tries again, with growing pauses, for `patience` seconds. After any failure of the engine the
connection is given up and made anew for the next unit or read, so that the store recovers by itself when
the cause is gone. (A sync that failed may have written the commit all the same; a power cut right then
could bring back a unit whose request was told ``systemUnavail``. The repeated request then meets its own
transaction, and gets the answer kept there.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from cmpd.clm.model import FailedAttempts
from cmpd.clm.store import locks
from cmpd.clm.store.base import Conflict, StoreError, StoreUnavailable
from cmpd.clm.store.changes import Unit
from cmpd.clm.store.effects import EFFECTS, BatchTotals, Effect, Forget, NoteAttempts, Probe, close_book
from cmpd.clm.store.reading import Reading
from cmpd.clm.store.rows import Row
from cmpd.clm.store.sqlite import connection as connections
from cmpd.clm.store.sqlite.backup import back_up
from cmpd.clm.store.sqlite.failures import is_busy, is_engine_failure, translated
from cmpd.clm.store.sqlite.sql import SQLITE

CHAIN = "main"
"""The one audit chain: as SQLite lets one process write at a time, one chain costs no one anything."""

GATHERING = 0.005
"""Seconds that a unit may wait for others to share its commit: about what a sync takes on a slow disk."""
MOST_GATHERED = 64
"""Units in one commit that wait for no more."""
QUIET = 2
"""Passes of the loop without a new unit: what was read in the first would have queued in the second."""

_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.01
_OPENING_WAIT = 10.0


@dataclass(slots=True)
class _Waiting:
    unit: Sequence[object]
    done: asyncio.Future[None]
    deadline: float
    """Of the event loop's clock: when to stop trying while others keep the file locked."""


class SQLiteStore(Reading):
    """A `Store` in a file that `create` or an earlier `cmpd` made."""

    sql = SQLITE

    def __init__(self, path: str | Path, *, synchronous: str = "full", patience: float = 5.0) -> None:
        """`patience`: seconds to wait for other processes' locks."""
        if synchronous not in connections.SYNCHRONOUS:
            raise StoreError(f"synchronous is full or normal, not {synchronous}")
        self.path = Path(path)
        self._synchronous = synchronous
        self._patience = patience
        self._open = False
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Handle | None = None
        self._pause = _FIRST_PAUSE

    async def open(self) -> None:
        try:
            self._connect(wait=_OPENING_WAIT)
        except sqlite3.Error as error:
            if not self.path.exists():
                raise StoreError(
                    f"there is no store {self.path}; make one with `cmpd init`, "
                    "or bring back a copy with `cmpd restore`"
                ) from None
            raise translated(error, str(self.path)) from None
        self._open = True

    async def close(self) -> None:
        self._open = False
        while self._waiting:
            await asyncio.wait([waiting.done for waiting in self._waiting])
        self._disconnect()

    async def commit(self, unit: Unit) -> None:
        await self._commit(unit)

    async def check(self) -> None:
        await self._commit([Probe()])

    async def forget_transactions(self, now: int, limit: int) -> int:
        forget = Forget(now, limit)
        await self._commit([forget])
        return forget.forgotten

    async def note_attempts(self, told: Sequence[FailedAttempts], since: float) -> None:
        await self._commit([NoteAttempts(told, since)])

    async def integrity(self) -> list[str]:
        return await asyncio.to_thread(self._integrity)

    async def backup(self, path: Path) -> None:
        await asyncio.to_thread(back_up, self.path, path)

    def serving(self) -> AbstractAsyncContextManager[None]:
        return locks.place_of_many(
            self._beside("lock"),
            otherwise=f"the store {self.path} is being copied or restored; start cmpd when that is done",
        )

    async def serving_processes(self) -> int:
        return locks.places_held(self._beside("lock"))

    def alone(self) -> AbstractAsyncContextManager[None]:
        return locks.all_places(
            self._beside("lock"),
            otherwise=f"a daemon serves the store {self.path}; stop it first",
        )

    def crl_lock(self, ca: str, partition: int) -> AbstractAsyncContextManager[None]:
        # One for all CRLs: on one machine they would only slow each other down.
        return locks.awaited(self._beside("crl-lock"))

    async def rows(self, statement: str, parameters: Row) -> list[Row]:
        deadline, pause = None, _FIRST_PAUSE
        while True:
            try:
                return self._usable().execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                now = asyncio.get_running_loop().time()
                deadline = deadline or now + self._patience
                if not is_busy(error) or now > deadline:
                    raise self._given_up(error) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def _connect(self, wait: float = 0.0) -> sqlite3.Connection:
        connection = connections.connect(self.path, synchronous=self._synchronous, wait=wait)
        try:
            if wait:
                connections.migrate(connection, self.path)
                connection.execute("PRAGMA busy_timeout = 0")
            else:
                connections.require_current_schema(connection, self.path)
            status = self.path.stat()
        except OSError as error:
            connection.close()
            raise StoreUnavailable(f"the store {self.path} is gone: {error.strerror}") from None
        except BaseException:
            connection.close()
            raise
        self._connection, self._file = connection, (status.st_dev, status.st_ino)
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _usable(self) -> sqlite3.Connection:
        return self._connection or self._connect()

    def _given_up(self, error: sqlite3.Error) -> StoreError:
        if is_engine_failure(error) and not is_busy(error):
            self._disconnect()
        return translated(error, str(self.path))

    def _integrity(self) -> list[str]:
        try:
            connection = connections.connect(self.path, wait=self._patience)
            try:
                found = connection.execute("PRAGMA integrity_check").fetchall()
                found += connection.execute("PRAGMA foreign_key_check").fetchall()
                ((wrong,),) = connection.execute(self.sql.wrong_counts)
                if wrong:
                    found.append((f"{wrong} certificate counts that do not fit the certificates",))
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise translated(error, str(self.path)) from None
        return [" ".join(map(str, row)) for row in found if row != ("ok",)]

    async def _commit(self, unit: Sequence[object]) -> None:
        if not self._open:
            raise StoreUnavailable(f"the store {self.path} is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append(_Waiting(unit, done, loop.time() + self._patience))
        if self._flushing is None:
            self._flushing = loop.call_soon(self._gather, 0, 0, loop.time() + GATHERING)
        await done

    def _gather(self, before: int, quiet: int, until: float) -> None:
        """Flush once no more units come; `before` were waiting at the last look, `quiet` looks ago."""
        loop = asyncio.get_running_loop()
        waiting = len(self._waiting)
        quiet = 0 if waiting > before else quiet + 1
        if quiet >= QUIET or waiting >= MOST_GATHERED or loop.time() > until:
            self._flush()
        else:
            self._flushing = loop.call_soon(self._gather, waiting, quiet, until)

    def _flush(self) -> None:
        self._flushing = None
        # Who was cancelled before anything was done for it does not want it done any more.
        group = [waiting for waiting in self._waiting if not waiting.done.done()]
        self._waiting = []
        if not group:
            return
        try:
            outcomes = self._apply([waiting.unit for waiting in group])
        except sqlite3.Error as error:
            if is_busy(error):
                group = self._try_later(group)
            failure = self._given_up(error)
            outcomes = [type(failure)(str(failure)) for _ in group]
        except StoreError as error:
            outcomes = [type(error)(str(error)) for _ in group]
        except Exception as error:  # noqa: BLE001 - nobody may be left waiting, whatever it is
            outcomes = [error for _ in group]
        else:
            self._pause = _FIRST_PAUSE
        for waiting, outcome in zip(group, outcomes, strict=True):
            if outcome is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(outcome)

    def _try_later(self, group: list[_Waiting]) -> list[_Waiting]:
        """Keep those who may wait longer, for a next flush after a pause; give those who may not."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._waiting = [waiting for waiting in group if waiting.deadline > now]
        if self._waiting:
            pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - so that two do not keep step
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._flushing = loop.call_later(pause, self._flush)
        return [waiting for waiting in group if waiting.deadline <= now]

    def _apply(self, units: list[Sequence[object]]) -> list[BaseException | None]:
        """All units in one database transaction: what became of each. Raises where the engine failed."""
        connection = self._usable()
        self._require_same_file()
        try:
            if self._together(connection, units):
                return [None] * len(units)
            return self._apart(connection, units)
        finally:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def _together(self, connection: sqlite3.Connection, units: list[Sequence[object]]) -> bool:
        """Commit all units, which most often nothing speaks against; False: one of them failed, and
        nothing was done."""
        connection.execute("BEGIN IMMEDIATE")
        book = BatchTotals(CHAIN)
        for unit in units:
            if self._attempt(connection, book, unit) is not None:
                connection.execute("ROLLBACK")
                return False
        self._end(connection, book)
        return True

    def _apart(
        self, connection: sqlite3.Connection, units: list[Sequence[object]]
    ) -> list[BaseException | None]:
        """Commit those units that can be, each undone by itself where it fails."""
        connection.execute("BEGIN IMMEDIATE")
        book = BatchTotals(CHAIN)
        outcomes = []
        for unit in units:
            before = book.copy()
            connection.execute("SAVEPOINT unit")
            outcome = self._attempt(connection, book, unit)
            if outcome is not None:
                connection.execute("ROLLBACK TO unit")
                book = before
            connection.execute("RELEASE unit")
            outcomes.append(outcome)
        if None in outcomes:
            self._end(connection, book)
        return outcomes

    def _end(self, connection: sqlite3.Connection, book: BatchTotals) -> None:
        self._drive(connection, close_book(self.sql, book))
        connection.execute("COMMIT")

    def _attempt(
        self, connection: sqlite3.Connection, book: BatchTotals, unit: Sequence[object]
    ) -> BaseException | None:
        try:
            for change in unit:
                self._drive(connection, EFFECTS[type(change)](self.sql, book, change))
        except Conflict as conflict:
            return conflict
        except Exception as error:
            if is_engine_failure(error):
                raise
            return error  # one unit's own fault must not fail those it shares the commit with
        return None

    @staticmethod
    def _drive(connection: sqlite3.Connection, effect: Effect) -> None:
        execute = connection.execute
        try:
            step = next(effect)
            while True:
                cursor = execute(*step)
                step = effect.send(cursor.rowcount if cursor.description is None else cursor.fetchall())
        except StopIteration:
            return

    def _require_same_file(self) -> None:
        """SQLite would go on writing to a file that was deleted or replaced, for nobody to see."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - per commit, and Path.stat costs twice as much
        except OSError as error:
            self._disconnect()
            raise StoreUnavailable(f"the store {self.path} is gone: {error.strerror}") from None
        if (status.st_dev, status.st_ino) != self._file:
            self._disconnect()
            raise StoreUnavailable(f"the store {self.path} was replaced by another file; it is opened anew")
