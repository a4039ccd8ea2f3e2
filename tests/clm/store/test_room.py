"""Room for transactions: how many there are is known without counting them, and who has begun them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from cmpd.clm.entities import transaction_quota
from cmpd.clm.entities.transaction_quota import FULL, RECOUNT, RETALLY, TOO_MANY, Tally, TransactionQuota
from cmpd.clm.model import TransactionState
from cmpd.clm.store import reading
from cmpd.clm.store.base import Store, StoreUnavailable
from cmpd.clm.store.changes import OpenTransaction
from tests.support.faulty import FaultyStore, always
from tests.support.records import NOW, a_transaction

DEVICE, OTHER = "entity of a device", "entity of another"
END = NOW + 10


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def _begin(store: Store, count: int, entity: str | None = DEVICE, party: str = "mac:device") -> None:
    """As many transactions, closed, to be forgotten after `END`; those of others later."""
    expires = END if entity == DEVICE else END + 1
    closed = a_transaction(state=TransactionState.CLOSED, entity=entity, party=party, expires=expires)
    fresh = (replace(closed, id=a_transaction().id) for _ in range(count))
    await store.commit([OpenTransaction(one) for one in fresh])


async def test_an_empty_store_has_room(store: Store) -> None:
    watched = TransactionQuota(store)
    await watched.look(1, 1)
    assert watched.remembered == 0
    assert watched.lacking(DEVICE, 1, 1) is None


async def test_a_new_process_knows_what_others_began(store: Store) -> None:
    await _begin(store, 4)
    watched = TransactionQuota(store)
    await watched.look(4, 0)
    assert watched.remembered == 4
    assert watched.lacking(OTHER, 4, 0) == FULL
    assert watched.lacking(OTHER, 5, 0) is None
    assert watched.lacking(OTHER, 0, 0) is None


async def test_what_a_process_begins_counts_at_once_and_not_twice(store: Store) -> None:
    watched = TransactionQuota(store)
    for _ in range(3):
        watched.begin(DEVICE)
    assert watched.lacking(OTHER, 3, 0) == FULL
    assert watched.lacking(DEVICE, 0, 3) == TOO_MANY
    await _begin(store, 3)
    await watched.look(4, 4)
    assert watched.remembered == 3
    assert watched.lacking(DEVICE, 4, 4) is None
    watched.begin(DEVICE)
    assert watched.lacking(OTHER, 4, 0) == FULL
    assert watched.lacking(DEVICE, 0, 4) == TOO_MANY


async def test_what_was_forgotten_makes_room_where_the_oldest_still_waits(store: Store) -> None:
    """The oldest keeps the span of numbers wide, so that they have to be counted."""
    clock = Clock()
    watched = TransactionQuota(store, clock)
    await store.commit([OpenTransaction(a_transaction(state=TransactionState.WAITING, entity=OTHER))])
    await _begin(store, 5)
    await _begin(store, 1, OTHER)
    await watched.look(7, 0)
    assert watched.lacking(DEVICE, 7, 0) == FULL
    await store.forget_transactions(END + 1, 5)
    await watched.look(7, 0)
    assert watched.lacking(DEVICE, 7, 0) == FULL
    clock.now += RECOUNT
    await watched.look(7, 0)
    assert watched.remembered == 2
    await _begin(store, 3)
    await watched.look(7, 0)
    assert watched.remembered == 5


async def test_the_transactions_of_an_entity_are_one_partys_whatever_protects_them(store: Store) -> None:
    await _begin(store, 2, DEVICE, "mac:device")
    await _begin(store, 2, DEVICE, "cert:0123")
    await _begin(store, 3, None, "cert:4567")
    watched = TransactionQuota(store)
    await watched.look(0, 4)
    assert watched.lacking(DEVICE, 0, 4) == TOO_MANY
    assert watched.lacking("cert:4567", 0, 4) is None
    assert watched.lacking("cert:4567", 0, 3) == TOO_MANY


async def test_who_begins_while_others_look_on_is_seen_by_them(
    store: Store, another: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)  # so that it takes several reads
    other = another()
    await other.open()
    try:
        watched = TransactionQuota(store)
        await _begin(other, 10)
        await watched.look(0, 12)
        assert watched.lacking(DEVICE, 0, 12) is None
        await _begin(other, 2)
        await watched.look(0, 12)
        assert watched.lacking(DEVICE, 0, 12) == TOO_MANY
        assert watched.lacking(OTHER, 0, 12) is None
    finally:
        await other.close()


async def test_once_forgotten_a_partys_transactions_count_no_more(store: Store) -> None:
    clock = Clock()
    watched = TransactionQuota(store, clock)
    await _begin(store, 4)
    await watched.look(0, 4)
    assert watched.lacking(DEVICE, 0, 4) == TOO_MANY
    await _begin(store, 3, OTHER)
    await store.forget_transactions(END + 1, 4)
    clock.now += RETALLY
    await watched.look(0, 4)
    assert watched.lacking(DEVICE, 0, 4) is None


async def test_where_nobody_can_have_begun_too_many_nobody_is_counted(store: Store) -> None:
    counting, faulty = FaultyStore.around(store)
    await _begin(store, 5)
    faulty.on_read = lambda name: StoreUnavailable(name) if "number" not in name else None
    watched = TransactionQuota(counting)
    await watched.look(100, 10)
    assert watched.remembered == 5


async def test_a_store_that_is_away_changes_nothing_of_what_is_known(store: Store) -> None:
    broken, faulty = FaultyStore.around(store)
    watched = TransactionQuota(broken)
    await _begin(store, 3)
    await watched.look(4, 4)
    watched.begin(DEVICE)
    faulty.on_read = always()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await watched.look(4, 4)
    assert watched.lacking(OTHER, 4, 0) == FULL
    assert watched.lacking(DEVICE, 0, 4) == TOO_MANY


async def test_counting_parties_takes_bounded_memory_and_misses_none_with_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_quota, "MOST_PARTIES", 10)
    tally = Tally()
    for number in range(1000):
        tally.add({f"device {number}": 1, DEVICE: 1})
        assert len(tally._counts) <= 20
    assert 1000 - 2000 // 10 <= tally.of(DEVICE) <= 1000
