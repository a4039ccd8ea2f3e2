"""Failed attempts are shared by all processes on a store, whatever the engine, and outlive them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from cmpd.clm.entities import attempts
from cmpd.clm.entities.attempts import BURST, LASTING, MOST_TOLD, Attempts
from cmpd.clm.entities.throttle import CAP, FORGET, FREE, Throttle
from cmpd.clm.model import FailedAttempts
from cmpd.clm.store import effects
from cmpd.clm.store.base import Store, StoreUnavailable
from tests.support.faulty import FaultyStore, always
from tests.support.records import NOW

DEVICE, OTHER = "device", "another device"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@dataclass
class World:
    """The time, as every wall clock of a well-kept cluster has it."""

    now: float = NOW


@dataclass
class Process:
    """A worker or a node: its throttle, whose clock began when it did, and its way to the others."""

    store: Store
    world: World
    began: float = field(init=False)
    skew: float = 0.0
    """How far its wall clock is ahead."""

    def __post_init__(self) -> None:
        self.began = self.world.now - 500
        self.throttle = Throttle(self.steady)
        self.attempts = Attempts(self.store, self.throttle, self.clock, self.steady)

    def steady(self) -> float:
        return self.world.now - self.began

    def clock(self) -> float:
        return self.world.now + self.skew

    async def fails(self, times: int, entity: str = DEVICE, peer: str = ELSEWHERE) -> None:
        for _ in range(times):
            self.throttle.failed(entity, peer)
        await self.attempts.exchange()

    async def wait(self, entity: str = DEVICE, peer: str = ELSEWHERE) -> int:
        await self.attempts.exchange()
        return self.throttle.wait(entity, peer)


@asynccontextmanager
async def _opened(*stores: Store) -> AsyncIterator[None]:
    for store in stores:
        await store.open()
    try:
        yield
    finally:
        for store in stores:
            await store.close()


async def test_failures_at_one_process_count_at_all(store: Store, another: Callable[[], Store]) -> None:
    world, other = World(), another()
    async with _opened(other):
        east, west = Process(store, world), Process(other, world)
        await east.fails(FREE)
        await west.fails(3)
        assert [await one.wait() for one in (east, west)] == [4, 4]
        assert await east.wait(DEVICE, HOME) == 4
        assert await west.wait(OTHER, ELSEWHERE) == 4
        assert await west.wait(OTHER, HOME) == 0


async def test_failures_at_the_same_time_add_up(store: Store, another: Callable[[], Store]) -> None:
    world, other = World(), another()
    async with _opened(other):
        east, west = Process(store, world), Process(other, world)
        for one in (east, west) * 4:
            one.throttle.failed(DEVICE, ELSEWHERE)
        for one in (east, west):
            await one.attempts.exchange()
        assert [await one.wait() for one in (east, west)] == [4, 4]


async def test_a_restart_forgets_nothing(store: Store) -> None:
    world = World()
    await Process(store, world).fails(FREE + 20)
    world.now += 10
    restarted = Process(store, world)
    assert await restarted.wait() == CAP - 10
    assert await restarted.wait(OTHER, HOME) == 0


async def test_failures_are_forgotten_after_an_hour_by_all(store: Store) -> None:
    world = World()
    east, west = Process(store, world), Process(store, world)
    await east.fails(FREE + 20)
    assert await west.wait() == CAP
    world.now += FORGET + 1
    await east.fails(1)
    assert [await one.wait() for one in (east, west, Process(store, world))] == [0, 0, 0]
    rows, _ = await store.attempts(0)
    assert {row.failures for row in rows} == {1}


async def test_a_success_that_ended_a_wait_ends_it_everywhere(store: Store) -> None:
    world = World()
    east, west = Process(store, world), Process(store, world)
    await east.fails(FREE + 20)
    assert await west.wait() == CAP
    west.throttle.succeeded(DEVICE, ELSEWHERE)
    await west.attempts.exchange()
    assert await east.wait() == 0
    assert await Process(store, world).wait() == 0


async def test_a_success_forgives_no_failure_it_did_not_know_of(store: Store) -> None:
    world = World()
    east, west = Process(store, world), Process(store, world)
    await east.fails(2)
    west.throttle.succeeded(DEVICE, ELSEWHERE)
    await west.attempts.exchange()
    await east.fails(FREE)
    assert await west.wait() == 2


async def test_who_proved_the_secret_at_one_process_is_kept_out_at_none(store: Store) -> None:
    world = World()
    east, west = Process(store, world), Process(store, world)
    await west.fails(FREE + 20)
    assert await east.wait(DEVICE, HOME) == CAP
    world.now += CAP
    east.throttle.succeeded(DEVICE, HOME)
    await east.attempts.exchange()
    await west.fails(FREE + 20)
    assert [await one.wait(DEVICE, HOME) for one in (east, west, Process(store, world))] == [0, 0, 0]
    assert await west.wait(DEVICE, "203.0.113.9") == CAP


async def test_a_turn_that_one_process_gave_holds_at_all_and_is_good_for_one_try(store: Store) -> None:
    """A balancer sends the device to another process each time; the guesser never stops."""
    world = World()
    processes = [Process(store, world) for _ in range(3)]
    await processes[0].fails(FREE + 20)
    told = await processes[0].wait(DEVICE, HOME)
    await processes[0].attempts.exchange()
    world.now += told - 1
    await processes[1].fails(1)
    assert await processes[1].wait(DEVICE, HOME) == 1
    world.now += 1
    assert await processes[2].wait(DEVICE, HOME) == 0
    await processes[2].fails(1, DEVICE, HOME)
    assert [await one.wait(DEVICE, HOME) for one in processes] == [CAP, CAP, CAP]


async def test_the_usual_success_writes_nothing(store: Store) -> None:
    watched, faulty = FaultyStore.around(store)
    process = Process(watched, World())
    faulty.on_read = lambda name: StoreUnavailable("written") if name == "note_attempts" else None
    for number in range(50):
        process.throttle.succeeded(f"entity {number}", HOME)
    await process.attempts.exchange()
    assert process.throttle.untold(10) == []


async def test_while_the_store_is_away_each_counts_for_itself_and_tells_the_others_later(
    store: Store,
) -> None:
    world = World()
    broken, faulty = FaultyStore.around(store)
    east, west = Process(broken, world), Process(store, world)
    faulty.on_read = always()
    await east.fails(FREE + 2)
    await east.fails(1)
    assert await east.wait() == 4
    assert await west.wait() == 0
    faulty.on_read = None
    await east.attempts.exchange()
    assert await west.wait() == 4


async def test_a_stop_tells_what_is_untold_and_does_not_wait_for_a_store_that_is_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "LAST_WORDS", 0.05)
    world = World()
    slow, faulty = FaultyStore.around(store)
    east, west = Process(slow, world), Process(store, world)
    for _ in range(FREE + 3):
        east.throttle.failed(DEVICE, ELSEWHERE)
    faulty.delay = 3600.0
    await east.attempts.finish()
    assert await west.wait() == 0
    faulty.delay = 0.0
    await east.attempts.finish()
    assert await west.wait() == 4


@pytest.mark.parametrize("skew", [-7200.0, -30.0, 30.0, 7200.0])
async def test_clocks_that_differ_let_nobody_wait_longer_than_the_cap(store: Store, skew: float) -> None:
    world = World()
    ahead, right = Process(store, world), Process(store, world)
    ahead.skew = skew
    await ahead.fails(FREE + 20)
    await ahead.wait(DEVICE, HOME)
    await ahead.attempts.exchange()
    for peer in (ELSEWHERE, HOME, "203.0.113.9"):
        assert await right.wait(DEVICE, peer) <= CAP
    world.now += CAP + 1
    assert [await right.wait(DEVICE, peer) for peer in (ELSEWHERE, HOME)] == [0, 0]


async def test_a_flood_writes_a_bounded_number_of_rows_and_what_is_guessed_at_most_among_them(
    store: Store,
) -> None:
    world = World()
    east, west = Process(store, world), Process(store, world)
    for number in range(20 * MOST_TOLD):
        east.throttle.failed(f"stranger {number}", f"10.0.{number >> 8}.{number & 255}")
        if number % 50 == 0:
            east.throttle.failed(DEVICE, f"10.1.0.{number // 50}")
    written = []
    for _ in range(10):
        await east.attempts.exchange()
        assert await west.wait(DEVICE, HOME) == CAP
        written.append(len((await store.attempts(0))[0]))
    assert written[0] == MOST_TOLD
    assert written[-1] <= BURST + 10 * LASTING


async def test_the_table_stays_bounded_and_what_changed_longest_ago_goes_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "MOST_ATTEMPTS", 20)
    told = [FailedAttempts(bytes([number]) * 16, 1, NOW) for number in range(40)]
    for at in range(0, 40, 4):
        await store.note_attempts(told[at : at + 4], NOW - FORGET)
    rows, _ = await store.attempts(0)
    assert 16 <= len(rows) <= 20
    assert {row.key for row in rows} == {one.key for one in told[-len(rows) :]}


async def test_what_ended_before_is_let_go(store: Store) -> None:
    old, new = FailedAttempts(b"old", 9, NOW - FORGET - 1), FailedAttempts(b"new", 1, NOW)
    await store.note_attempts([old], NOW - 2 * FORGET)
    await store.note_attempts([new], NOW - FORGET)
    rows, upto = await store.attempts(0)
    assert rows == [new]
    assert await store.attempts(upto) == ([], upto)
