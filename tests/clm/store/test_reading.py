"""Lists: what they hold, in what order, and that pages lose and repeat nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cmpd.clm.model import (
    EVERY_SERIAL,
    Certificate,
    CertificateState,
    EntityState,
    Identity,
    TransactionState,
)
from cmpd.clm.store.base import CertificateQuery, Store
from cmpd.clm.store.changes import AddCertificate, AddEntity, Audit, OpenTransaction, SetCertificateState
from cmpd.clm.store.reading import PAGE
from tests.support.records import DAY, NOW, a_certificate, a_transaction, an_entity, an_event

STATES = list(CertificateState)
CERTIFICATES = [
    a_certificate(
        ca=f"ca {number % 2}",
        entity=f"entity {number % 5}",
        policy=[None, "p", "q"][number % 3],
        state=STATES[number % len(STATES)],
        revoked=NOW + number if STATES[number % len(STATES)] in STATES[2:] else None,
        reason=number % 10 if STATES[number % len(STATES)] in STATES[3:] else None,
        subject=f"CN=Device {number:03},O=Example",
        not_after=NOW + (number * 7 % 40) * DAY,
        issued=NOW + number,
        key_hash=bytes([number % 4]) * 32,
        key_id=bytes([number % 4]) * 20,
    )
    for number in range(120)
]  # fmt: skip

NARROWINGS: list[tuple[dict[str, Any], Callable[[Certificate], bool]]] = [
    ({}, lambda one: True),
    ({"ca": "ca 1"}, lambda one: one.ca == "ca 1"),
    ({"entity": "entity 3"}, lambda one: one.entity == "entity 3"),
    ({"policy": "p"}, lambda one: one.policy == "p"),
    ({"states": ("active",)}, lambda one: one.state == "active"),
    ({"states": ("revoked", "on_hold")}, lambda one: one.state in ("revoked", "on_hold")),
    ({"subject": "dEVICE 01"}, lambda one: "Device 01" in one.subject),
    ({"subject": "%"}, lambda one: False),
    ({"expires_after": NOW + 20 * DAY}, lambda one: one.not_after > NOW + 20 * DAY),
    ({"expires_before": NOW + 20 * DAY}, lambda one: one.not_after < NOW + 20 * DAY),
    ({"expires_before": NOW + 20 * DAY, "expires_after": NOW, "ca": "ca 0"},
     lambda one: NOW < one.not_after < NOW + 20 * DAY and one.ca == "ca 0"),
    ({"issued_after": NOW + 60}, lambda one: one.issued > NOW + 60),
    ({"entity": "entity 1", "expires_before": NOW + 30 * DAY, "states": ("active", "revoked")},
     lambda one: one.entity == "entity 1" and one.not_after < NOW + 30 * DAY
     and one.state in ("active", "revoked")),
]  # fmt: skip


@pytest.fixture(params=[7, PAGE], ids=["small pages", "pages"])
def page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("cmpd.clm.store.reading.PAGE", request.param)
    size: int = request.param
    return size


@pytest.mark.parametrize(("narrowing", "fits"), NARROWINGS, ids=[str(list(given)) for given, _ in NARROWINGS])
async def test_certificates_are_listed_in_order_and_each_once(
    store: Store,
    page: int,
    narrowing: dict[str, Any],
    fits: Callable[[Certificate], bool],
) -> None:
    await store.commit([AddCertificate(certificate) for certificate in CERTIFICATES])
    expected = [certificate for certificate in CERTIFICATES if fits(certificate)]
    if "expires_before" in narrowing and "entity" not in narrowing:
        expected.sort(key=lambda certificate: certificate.not_after)
    for limit in (None, 1, 7, 8):
        found = [one async for one in store.certificates(CertificateQuery(**narrowing, limit=limit))]
        assert found == expected[:limit]


async def test_certificates_are_counted_as_they_come_and_move(store: Store) -> None:
    assert await store.count_certificates("state") == {}
    await store.commit([AddCertificate(certificate) for certificate in CERTIFICATES])
    first = CERTIFICATES[1]
    assert first.state is CertificateState.ACTIVE
    await store.commit(
        [
            SetCertificateState(
                first.ca, first.serial, first.policy, (first.state,), CertificateState.REVOKED, NOW, 1
            )
        ]
    )
    assert await store.count_certificates("state") == {
        "unconfirmed": 24, "active": 23, "on_hold": 24, "revoked": 25, "rejected": 24
    }  # fmt: skip
    assert await store.count_certificates("policy") == {"": 40, "p": 40, "q": 40}
    assert await store.count_certificates("ca") == {"ca 0": 60, "ca 1": 60}
    with pytest.raises(ValueError, match="not by colour"):
        await store.count_certificates("colour")


@pytest.mark.parametrize("most", [1000, 7, 1])
async def test_active_certificates_that_end_soon_are_counted_up_to_a_bound(store: Store, most: int) -> None:
    await store.commit([AddCertificate(certificate) for certificate in CERTIFICATES])
    soon = [
        one
        for one in CERTIFICATES
        if one.state is CertificateState.ACTIVE and NOW < one.not_after < NOW + 20 * DAY
    ]
    assert len(soon) > 7
    assert await store.count_expiring(NOW, NOW + 20 * DAY, most) == min(most, len(soon))
    assert await store.count_expiring(NOW + 50 * DAY, NOW + 60 * DAY, most) == 0


async def test_the_revoked_are_those_on_hold_revoked_or_rejected_that_have_not_ended(
    store: Store, page: int
) -> None:
    await store.commit([AddCertificate(certificate) for certificate in CERTIFICATES])
    after = NOW + 10 * DAY
    expected = sorted(
        (one.serial, one.revoked, one.reason)
        for one in CERTIFICATES
        if one.ca == "ca 1" and one.state in STATES[2:] and one.not_after > after
    )
    assert expected
    assert [one async for one in store.revoked("ca 1", after)] == expected
    assert [one async for one in store.revoked("ca 2", after)] == []
    third = expected[len(expected) // 3][0]
    for serials in (range(third), range(third, third + 1), EVERY_SERIAL[third:]):
        within = [one for one in expected if one[0] in serials]
        assert [one async for one in store.revoked("ca 1", after, serials)] == within


async def test_entities_are_listed_by_id_and_found_by_parts_of_what_names_them(
    store: Store, page: int
) -> None:
    entities = [an_entity(name=f"Pump {number}") for number in range(30)]
    entities += [
        an_entity(name="Valve", references=(b"REF-0815",), state=EntityState.BLOCKED),
        an_entity(name="Boiler", identities=(Identity("subject", "CN=Boiler House"),)),
        an_entity(name="100% _"),
    ]
    await store.commit([AddEntity(entity) for entity in entities])
    ids = sorted(entity.id for entity in entities)
    assert [entity.id async for entity in store.entities()] == ids
    assert [entity.id async for entity in store.entities(after=ids[10])] == ids[11:]
    for search, names in (
        ("pump 2", {"Pump 2", *(f"Pump 2{digit}" for digit in range(10))}),
        ("REF-08", {"Valve"}),
        (b"REF-0815".hex(), {"Valve"}),
        ("boiler h", {"Boiler"}),
        ("%", {"100% _"}),
        (entities[0].id, {"Pump 0"}),
        ("nothing like it", set()),
    ):
        assert {entity.name async for entity in store.entities(search)} == names


async def test_transactions_are_listed_by_state_and_end(store: Store, page: int) -> None:
    transactions = [
        a_transaction(state=list(TransactionState)[number % 6], expires=NOW + number * 11 % 17)
        for number in range(60)
    ]
    await store.commit([OpenTransaction(transaction) for transaction in transactions])
    for state in TransactionState:
        expected = sorted(
            (one for one in transactions if one.state is state), key=lambda one: (one.expires, one.id)
        )
        assert [one async for one in store.transactions(state)] == expected


async def test_open_transactions_are_counted_by_state_up_to_a_bound(store: Store) -> None:
    await store.commit([OpenTransaction(a_transaction(state=state)) for state in [*TransactionState] * 3])
    assert await store.count_transactions(TransactionState.WAITING, 100) == 3
    assert await store.count_transactions(TransactionState.WAITING, 2) == 2


async def test_open_transactions_expire_and_closed_ones_are_forgotten(store: Store) -> None:
    open_ones = [a_transaction(expires=NOW - 5 + number) for number in range(10)]
    closed = [a_transaction(state=TransactionState.CLOSED, expires=NOW - 5 + number) for number in range(10)]
    await store.commit([OpenTransaction(transaction) for transaction in open_ones + closed])
    assert await store.expired_transactions(NOW, 100) == open_ones[:5]
    assert await store.expired_transactions(NOW, 2) == open_ones[:2]
    assert [await store.forget_transactions(NOW, 3) for _ in range(3)] == [3, 2, 0]
    assert [one async for one in store.transactions(TransactionState.CLOSED)] == closed[5:]
    assert [one async for one in store.transactions(TransactionState.CONFIRMING)] == open_ones


async def test_audit_records_come_in_order_with_what_was_written_down(store: Store, page: int) -> None:
    events = [an_event(detail={"text": "ü\x00\ud800", "n": number}) for number in range(40)]
    for event in events:
        await store.commit([Audit(event)])
    records = [record async for record in store.audit()]
    assert [record.event for record in records] == events
    assert [record.sequence for record in records] == list(range(1, 41))
    (chain,) = await store.audit_heads()
    assert [record async for record in store.audit(after=33, chain=chain)] == records[33:]
    assert [record async for record in store.audit(after=33)] == records[33:]
    assert [record async for record in store.audit(chain="none")] == []
