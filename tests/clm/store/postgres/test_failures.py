"""Connections lost, servers restarted, others in the way: never a unit twice, never one half."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from cmpd.clm.audit import first_break
from cmpd.clm.store import create_store
from cmpd.clm.store.base import CertificateQuery, Conflict, StoreError, StoreUnavailable
from cmpd.clm.store.changes import AddCertificate, AddEntity, Audit, Change, Unit, UpdateEntity
from cmpd.clm.store.postgres.address import parse
from cmpd.clm.store.postgres.connections import connect
from cmpd.clm.store.postgres.store import OutcomeUnknown, PostgresStore
from tests.support.postgres import PostgresServer
from tests.support.records import a_certificate, an_entity, an_event
from tests.support.wire import Wire


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database("cmpd_template")


@pytest.fixture
def store(url: str) -> PostgresStore:
    return PostgresStore(url, node="here", patience=5)


@pytest.fixture
def pair() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary, and a standby that its commits wait for."""
    primary = PostgresServer()
    try:
        primary.start()
        standby = primary.standby()
        try:
            yield primary, standby
        finally:
            standby.remove()
    finally:
        primary.remove()


def _over(wire: Wire, url: str, *, patience: float = 5) -> PostgresStore:
    parts = urlsplit(url)
    relayed = parts._replace(netloc=f"postgres@127.0.0.1:{wire.port}").geturl()
    return PostgresStore(relayed, node="there", patience=patience)


def _unit() -> list[Change]:
    return [AddCertificate(a_certificate()), Audit(an_event())]


class Load:
    """Commits units on four tasks until told to end."""

    def __init__(self, store: PostgresStore) -> None:
        self.done = 0
        self._store = store
        self._ending = False
        self._progress = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._work()) for _ in range(4)]

    async def _work(self) -> None:
        while not self._ending:
            await self._store.commit(_unit())
            async with self._progress:
                self.done += 1
                self._progress.notify_all()

    async def reaches(self, done: int) -> None:
        """Wait until so many units are committed."""
        async with asyncio.timeout(30), self._progress:
            await self._progress.wait_for(lambda: self.done >= done)

    async def end(self) -> None:
        """Let what was begun end; raises what a commit raised."""
        self._ending = True
        await asyncio.gather(*self._tasks)


async def _counts(store: PostgresStore) -> tuple[int, int]:
    certificates = [one.serial async for one in store.certificates(CertificateQuery())]
    assert len(set(certificates)) == len(certificates)
    return len(certificates), len([record async for record in store.audit()])


@pytest.mark.parametrize("together", [1, 5])
async def test_a_commit_whose_answer_was_lost_is_looked_up_and_not_done_twice(
    store: PostgresStore, url: str, together: int
) -> None:
    async with Wire.to(int(urlsplit(url).port or 0)) as wire:
        over = _over(wire, url)
        await over.open()
        await over.commit(_unit())
        wire.cut_after = b"COMMIT"
        await asyncio.gather(*(over.commit(_unit()) for _ in range(together)))
        assert wire.cuts == 1
        await over.close()
    assert await _counts(store) == (together + 1, together + 1)


@pytest.mark.parametrize("cut", [b"COMMIT", b"certificates", b"audit_heads", b"BEGIN"])
async def test_a_commit_that_never_arrived_is_done_again(store: PostgresStore, url: str, cut: bytes) -> None:
    async with Wire.to(int(urlsplit(url).port or 0)) as wire:
        over = _over(wire, url)
        await over.open()
        wire.cut_before = cut
        await asyncio.gather(*(over.commit(_unit()) for _ in range(3)))
        assert wire.cuts == 1
        await over.close()
    assert await _counts(store) == (3, 3)


async def test_a_database_out_of_reach_is_said_so_in_time_and_recovered_from(
    store: PostgresStore, url: str
) -> None:
    async with Wire.to(int(urlsplit(url).port or 0)) as wire:
        over = _over(wire, url, patience=0.5)
        await over.open()
        await over.commit(_unit())
        wire.closed = True
        wire.cut()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="cannot connect"):
            await over.commit(_unit())
        with pytest.raises(StoreUnavailable, match="cannot connect"):
            await over.check()
        with pytest.raises(StoreUnavailable, match="cannot connect"):
            await over.certificate("issuing", 1)
        assert time.monotonic() - began < 6
        wire.closed = False
        await over.commit(_unit())
        await over.close()
    assert await _counts(store) == (2, 2)


async def test_backends_ended_at_random_cost_no_unit_and_double_none(
    store: PostgresStore, url: str, postgres_server: PostgresServer
) -> None:
    load = Load(store)
    database = urlsplit(url).path[1:]
    for _ in range(12):
        await load.reaches(load.done + 5)
        await asyncio.to_thread(
            postgres_server.execute,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{database}' AND pid <> pg_backend_pid()",
        )
    await load.end()
    assert await _counts(store) == (load.done, load.done)
    assert await first_break(store.audit(), await store.audit_heads()) is None
    assert await store.integrity() == []


async def test_a_server_that_crashes_under_load_is_waited_for() -> None:
    server = PostgresServer({"fsync": "on"})
    try:
        server.start()
        url = server.new_database()
        create_store(url)
        store = PostgresStore(url, patience=20)
        await store.open()
        load = Load(store)
        for how in (signal.SIGQUIT, signal.SIGINT):
            await load.reaches(load.done + 20)
            await asyncio.to_thread(server.stop, how)
            await asyncio.to_thread(server.start)
        await load.reaches(load.done + 20)
        await load.end()
        assert await _counts(store) == (load.done, load.done)
        assert await first_break(store.audit(), await store.audit_heads()) is None
        await store.close()
    finally:
        server.remove()


async def test_a_fail_over_to_a_standby_loses_and_doubles_nothing(
    pair: tuple[PostgresServer, PostgresServer],
) -> None:
    primary, standby = pair
    url = primary.new_database()
    create_store(url)
    both = url.replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/")
    store = PostgresStore(both, patience=20)
    await store.open()
    load = Load(store)
    await load.reaches(50)
    await asyncio.to_thread(standby.await_replay_of, url.rpartition("/")[2])
    await asyncio.to_thread(primary.stop)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(standby.promote)
    await load.reaches(100)
    await load.end()
    assert await _counts(store) == (load.done, load.done)
    assert await first_break(store.audit(), await store.audit_heads()) is None
    await store.close()


async def test_a_commit_that_waits_for_a_standby_that_is_away_is_said_to_be_unknown_and_done_once(
    pair: tuple[PostgresServer, PostgresServer],
) -> None:
    primary, standby = pair
    url = primary.new_database()
    create_store(url)
    store = PostgresStore(url, patience=0.5)
    await store.open()
    await store.commit(_unit())
    await asyncio.to_thread(standby.stop)
    units = [store.commit(_unit()) for _ in range(3)]
    outcomes = await asyncio.gather(*units, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 3
    assert "is a standby away that commits wait for?" in str(outcomes[0])
    assert await _counts(store) == (1, 1)
    await asyncio.to_thread(standby.start)
    for _ in range(300):
        if await _counts(store) == (4, 4):
            break
        await asyncio.sleep(0.1)
    await store.commit(_unit())
    assert await _counts(store) == (5, 5)
    assert await first_break(store.audit(), await store.audit_heads()) is None
    await store.close()


async def test_a_store_is_made_while_a_standby_is_away(
    pair: tuple[PostgresServer, PostgresServer],
) -> None:
    primary, standby = pair
    url = primary.new_database()
    await asyncio.to_thread(standby.stop)
    await asyncio.to_thread(create_store, url)


@pytest.mark.parametrize("before", range(6))
async def test_what_a_failed_group_was_about_to_prepare_is_not_taken_for_prepared(
    store: PostgresStore, before: int
) -> None:
    """psycopg prepares a statement that comes often; in a pipeline that has failed the server does not."""
    wrong = Audit(an_event(time=1 << 63))
    for _ in range(2):
        with pytest.raises(StoreError):
            await store.commit([wrong])
    for _ in range(before):
        await store.commit([AddEntity(an_entity())])
    for _ in range(6):
        units: list[Unit] = [[wrong], [AddEntity(an_entity())]]
        outcomes = await asyncio.gather(*map(store.commit, units), return_exceptions=True)
        assert isinstance(outcomes[0], StoreError)
        assert outcomes[1] is None


async def test_units_that_deadlock_with_another_node_come_through(store: PostgresStore, url: str) -> None:
    other = PostgresStore(url, node="there")
    await other.open()
    entities = [an_entity() for _ in range(6)]
    await store.commit([AddEntity(entity) for entity in entities])

    async def rename(one: PostgresStore, index: int) -> None:
        for _ in range(5):
            unit = []
            for id in (entities[index].id, entities[-1 - index].id):
                entity = await one.entity(id)
                assert entity is not None
                unit.append(UpdateEntity(entity))
            with contextlib.suppress(Conflict):  # the other was faster
                await one.commit(unit)

    await asyncio.gather(*(rename(one, index) for one in (store, other) for index in range(6)))
    await other.close()


async def test_a_record_locked_for_long_makes_its_own_unit_fail_and_no_other(
    store: PostgresStore, url: str
) -> None:
    entity = an_entity()
    await store.commit([AddEntity(entity)])
    impatient = PostgresStore(url, node="there", patience=0.2)
    await impatient.open()
    with psycopg.connect(url) as blocker:
        blocker.execute("SELECT 1 FROM entities FOR UPDATE")
        outcomes = await asyncio.gather(
            impatient.commit([UpdateEntity(entity)]), store.commit(_unit()), return_exceptions=True
        )
    assert isinstance(outcomes[0], StoreError)
    assert outcomes[1] is None
    await impatient.close()


async def test_the_server_notices_a_node_whose_machine_is_gone(url: str) -> None:
    connection = await connect(parse(url))
    for setting, seconds in (("idle", "5"), ("interval", "2"), ("count", "3")):
        cursor = await connection.execute(f"SHOW tcp_keepalives_{setting}".encode())
        assert await cursor.fetchall() == [(seconds,)]
    await connection.close()


async def test_text_that_postgresql_cannot_hold_fails_its_own_unit_only(store: PostgresStore) -> None:
    outcomes = await asyncio.gather(
        store.commit(_unit()),
        store.commit([Audit(an_event(subject="a\x00b"))]),
        return_exceptions=True,
    )
    assert outcomes[0] is None
    assert type(outcomes[1]) is StoreError
    assert "NUL" in str(outcomes[1])
    assert await _counts(store) == (1, 1)
