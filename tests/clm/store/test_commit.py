"""Units are whole or not at all, alone or together, in one process or many, and survive a kill."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cmpd.clm.audit import first_break
from cmpd.clm.model import TransactionState
from cmpd.clm.store import open_store
from cmpd.clm.store.base import CertificateQuery, Conflict, Store, StoreError, StoreUnavailable
from cmpd.clm.store.changes import (
    AddCertificate,
    AddEntity,
    Audit,
    LimitActive,
    OpenTransaction,
    Unit,
    UsePassword,
)
from tests.support.records import NOW, a_certificate, a_transaction, an_entity, an_event

PROJECT = Path(__file__).parents[3]


async def _serials(store: Store) -> list[int]:
    return [certificate.serial async for certificate in store.certificates(CertificateQuery())]


async def test_units_that_share_a_commit_fail_each_for_itself(store: Store) -> None:
    taken = a_certificate()
    await store.commit([AddCertificate(taken), Audit(an_event())])
    good = [a_certificate() for _ in range(5)]
    units: list[Unit] = [[Audit(an_event()), AddCertificate(one), Audit(an_event())] for one in good]
    units.insert(0, [Audit(an_event()), AddCertificate(taken)])
    units.insert(3, [Audit(an_event()), AddCertificate(a_certificate(serial=-1))])
    units.append([Audit(an_event(detail={"not JSON": object()})), AddCertificate(a_certificate())])
    outcomes = await asyncio.gather(*map(store.commit, units), return_exceptions=True)
    failed = [index for index, outcome in enumerate(outcomes) if outcome is not None]
    assert failed == [0, 3, 7]
    assert isinstance(outcomes[0], Conflict)
    assert isinstance(outcomes[3], StoreError)
    assert isinstance(outcomes[7], TypeError)
    assert sorted(await _serials(store)) == sorted(one.serial for one in (taken, *good))
    assert len([record async for record in store.audit()]) == 11
    assert await first_break(store.audit(), await store.audit_heads()) is None


async def test_what_is_forgotten_beside_a_unit_that_fails_is_counted_once(store: Store) -> None:
    """Units that share a commit are applied again where one of them fails."""
    taken = a_certificate()
    over = [a_transaction(state=TransactionState.CLOSED, expires=NOW - 1) for _ in range(3)]
    await store.commit([AddCertificate(taken), *map(OpenTransaction, over)])
    forgotten, conflict, noted = await asyncio.gather(
        store.forget_transactions(NOW, 10),
        store.commit([AddCertificate(taken), OpenTransaction(a_transaction())]),
        store.commit([Audit(an_event())]),
        return_exceptions=True,
    )
    assert (forgotten, noted) == (3, None)
    assert isinstance(conflict, Conflict)
    assert await store.count_remembered() == 0
    assert await first_break(store.audit(), await store.audit_heads()) is None


async def test_of_units_that_contradict_each_other_in_one_commit_one_wins(store: Store) -> None:
    entity = an_entity(password_uses=3)
    await store.commit([AddEntity(entity)])
    units: list[Unit] = [[UsePassword(entity.id), AddCertificate(a_certificate())] for _ in range(10)]
    outcomes = await asyncio.gather(*map(store.commit, units), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 3
    assert len(await _serials(store)) == 3


async def test_a_limit_holds_against_units_at_the_same_time(
    store: Store, another: Callable[[], Store]
) -> None:
    entity = an_entity()
    await store.commit([AddEntity(entity)])
    other = another()
    await other.open()
    try:
        outcomes = await asyncio.gather(
            *(
                one.commit(
                    [
                        LimitActive(entity.id, "p", 0, NOW),
                        AddCertificate(a_certificate(entity=entity.id, policy="p")),
                    ]
                )
                for one in (store, other) * 8
            ),
            return_exceptions=True,
        )
    finally:
        await other.close()
    assert sum(outcome is None for outcome in outcomes) == 1
    assert {outcome.what for outcome in outcomes if isinstance(outcome, Conflict)} == {"limit"}
    assert len(await _serials(store)) == 1


async def test_what_one_process_committed_the_other_reads(store: Store, another: Callable[[], Store]) -> None:
    other = another()
    await other.open()
    try:
        certificate = a_certificate()
        await other.commit([AddCertificate(certificate)])
        assert await store.certificate(certificate.ca, certificate.serial) == certificate
    finally:
        await other.close()


async def test_who_is_cancelled_before_the_commit_wants_nothing(store: Store) -> None:
    kept, dropped = a_certificate(), a_certificate()
    tasks = [asyncio.create_task(store.commit([AddCertificate(one)])) for one in (kept, dropped)]
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await _serials(store) == [kept.serial]


async def test_closing_commits_what_was_accepted_and_accepts_no_more(
    store: Store, another: Callable[[], Store]
) -> None:
    certificates = [a_certificate() for _ in range(3)]
    tasks = [asyncio.create_task(store.commit([AddCertificate(one)])) for one in certificates]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*tasks)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.commit([AddCertificate(a_certificate())])
    other = another()
    await other.open()
    assert await _serials(other) == [certificate.serial for certificate in certificates]
    await other.close()


async def test_whatever_a_unit_holds_nobody_is_left_waiting(store: Store) -> None:
    certificate = a_certificate()
    nonsense: list[Any] = ["no change at all", AddCertificate(a_certificate(subject=object()))]
    outcomes = await asyncio.gather(
        *(store.commit([one]) for one in nonsense),
        store.commit([AddCertificate(certificate)]),
        return_exceptions=True,
    )
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [True, True, False]
    assert await _serials(store) == [certificate.serial]
    await store.commit([AddCertificate(a_certificate())])


async def test_an_empty_unit_is_done_at_once(store: Store) -> None:
    await store.commit([])


async def test_a_store_that_can_be_read_and_written_passes_its_check(store: Store) -> None:
    await store.check()
    assert await store.integrity() == []


WRITER = """
import asyncio, sys
from cmpd.clm.model import TransactionState
from cmpd.clm.store import open_store
from cmpd.clm.store.changes import AddCertificate, Audit
from tests.support.records import a_certificate, an_event

async def main(where: str, ca: str) -> None:
    store = open_store(where)
    await store.open()
    async def write(first: int) -> None:
        for number in range(first, 1 << 30, 4):
            event = an_event(subject=str(number))
            await store.commit([AddCertificate(a_certificate(ca=ca, serial=number)), Audit(event)])
            print(number, flush=True)
    await asyncio.gather(*map(write, range(1, 5)))

asyncio.run(main(*sys.argv[1:]))
"""


def _start_writer(where: str, ca: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, where, ca], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )


def test_what_was_said_before_a_kill_is_there_after_it_and_whole(where: str) -> None:
    writers = {ca: _start_writer(where, ca) for ca in ("east", "west")}
    said: dict[str, list[str]] = {ca: [] for ca in writers}
    try:
        for ca, writer in writers.items():
            assert writer.stdout is not None
            said[ca] += [writer.stdout.readline() for _ in range(150)]
    finally:
        for writer in writers.values():
            writer.send_signal(signal.SIGKILL)
    for ca, writer in writers.items():
        assert writer.stdout is not None
        said[ca] += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait()

    async def look() -> None:
        store = open_store(where)
        await store.open()
        try:
            assert await store.integrity() == []
            records = [record async for record in store.audit()]
            assert await first_break(store.audit(), await store.audit_heads()) is None
            for ca in writers:
                query = CertificateQuery(ca=ca)
                kept = {certificate.serial async for certificate in store.certificates(query)}
                # The last line may be cut short: what was said was said with its newline.
                assert {int(line) for line in said[ca] if line.endswith("\n")} <= kept
            total = len(await _serials(store))
            assert total == len(records)
        finally:
            await store.close()

    asyncio.run(look())


async def test_the_crl_lock_lets_one_in_at_a_time(store: Store, another: Callable[[], Store]) -> None:
    other = another()
    await other.open()
    inside, most = 0, 0

    async def build(one: Store) -> None:
        nonlocal inside, most
        async with one.crl_lock("issuing", 0):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(build(one) for one in (store, other, store, other)))
    await other.close()
    assert most == 1


async def test_who_serves_is_counted_until_it_ends(store: Store, another: Callable[[], Store]) -> None:
    other = another()
    await other.open()
    assert await store.serving_processes() == 0
    async with store.serving():
        async with other.serving():
            assert await store.serving_processes() == 2
        await _until_serving(other, 1)
    await _until_serving(other, 0)
    async with store.alone():
        assert await other.serving_processes() == 0
    await other.close()


async def _until_serving(store: Store, count: int) -> None:
    """A database server takes its time to see that a connection is gone."""
    for _ in range(1000):
        if await store.serving_processes() == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{await store.serving_processes()} serve, not {count}")


async def test_who_wants_the_store_alone_waits_for_no_daemon_and_lets_none_in(
    store: Store, another: Callable[[], Store]
) -> None:
    other = another()
    await other.open()
    async with store.serving(), other.serving():
        with pytest.raises(StoreUnavailable, match="daemon serves"):
            await other.alone().__aenter__()
    async with other.alone():
        with pytest.raises(StoreUnavailable, match="is being copied"):
            await store.serving().__aenter__()
    async with store.serving():
        pass
    await other.close()
