"""Requests wait until enough different operators say yes, or one says no."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cmpd.clm.lifecycle.approval import CannotDecide, Waiting, approve, decide, find, reject, waiting
from cmpd.clm.model import Act, Approval, TransactionRequest, TransactionState
from cmpd.clm.store.base import Conflict, Store
from cmpd.clm.store.changes import OpenTransaction, Unit
from tests.clm.conftest import NOW, PKI
from tests.support.records import a_transaction

WAITING = TransactionState.WAITING
ANNE, BERT = Act("operator:anne", NOW), Act("operator:bert", NOW)


def request(pki: PKI, needed: int) -> None:
    waits = replace(
        a_transaction(),
        id=bytes.fromhex("abcdef0123456789"),
        state=WAITING,
        requests=(TransactionRequest(0, WAITING, None, Approval("certificate", "CN=d", needed)),),
    )
    pki.commit(OpenTransaction(waits))


async def found(store: Store) -> Waiting:
    return await find(store, "ABCD")


async def state(store: Store) -> TransactionState:
    stored = await store.transaction(bytes.fromhex("abcdef0123456789"))
    assert stored is not None
    return stored.state


def test_one_approval_suffices_where_one_is_needed(pki: PKI) -> None:
    request(pki, 1)
    pki.commit(*approve(ANNE, pki.run(found)))
    assert pki.run(state) is TransactionState.APPROVED


def test_two_approvals_take_two_operators(pki: PKI) -> None:
    request(pki, 2)
    pki.commit(*approve(ANNE, pki.run(found)))
    assert pki.run(state) is TransactionState.WAITING
    half = pki.run(found)
    assert half.approval.approvals == ("operator:anne",)
    with pytest.raises(CannotDecide, match="another operator must"):
        approve(ANNE, half)
    pki.commit(*approve(BERT, half))
    assert pki.run(state) is TransactionState.APPROVED


def test_one_rejection_ends_it_and_keeps_the_reason_for_the_client(pki: PKI) -> None:
    request(pki, 2)
    pki.commit(*approve(ANNE, pki.run(found)))
    pki.commit(*reject(BERT, pki.run(found), "not ordered"))
    assert pki.run(state) is TransactionState.REFUSED
    with pytest.raises(CannotDecide, match="no request ABCD waits"):
        pki.run(found)


def test_of_two_who_decide_at_once_the_second_is_told(pki: PKI) -> None:
    request(pki, 1)
    seen = pki.run(found)
    pki.commit(*approve(ANNE, seen))
    with pytest.raises(Conflict):
        pki.commit(*reject(BERT, seen, ""))


def test_of_two_who_approve_at_once_neither_approval_is_lost(pki: PKI) -> None:
    request(pki, 2)
    seen = pki.run(found)
    pki.commit(*approve(ANNE, seen))
    with pytest.raises(Conflict, match="was decided on meanwhile"):
        pki.commit(*approve(BERT, seen))
    pki.run(lambda store: decide(store, "abcd", lambda request: approve(BERT, request)))
    assert pki.run(state) is TransactionState.APPROVED


def test_a_decision_that_meets_another_one_is_made_anew(pki: PKI) -> None:
    request(pki, 2)
    met: list[Waiting] = []

    async def work(store: Store) -> None:
        def slowly(waiting: Waiting) -> Unit:
            met.append(waiting)
            return approve(BERT, waiting)

        first = await found(store)
        commit = store.commit

        async def anne_is_faster(unit: Unit) -> None:
            if len(met) == 1:
                await commit(approve(ANNE, first))
            await commit(unit)

        store.commit = anne_is_faster  # type: ignore[method-assign]
        await decide(store, "abcd", slowly)

    pki.run(work)
    assert [one.approval.approvals for one in met] == [(), ("operator:anne",)]
    assert pki.run(state) is TransactionState.APPROVED


def test_what_has_expired_is_not_approved(pki: PKI) -> None:
    request(pki, 1)
    late = Act("operator:anne", NOW + 10_000)
    with pytest.raises(CannotDecide, match="has expired"):
        pki.run(lambda store: decide(store, "abcd", lambda request: approve(late, request)))
    assert pki.run(state) is TransactionState.WAITING


def test_waiting_requests_are_listed_with_what_an_operator_needs(pki: PKI) -> None:
    request(pki, 2)

    async def listed(store: Store) -> list[tuple[str, str, int]]:
        return [(one.id, one.approval.subject, one.approval.needed) async for one in waiting(store)]

    assert pki.run(listed) == [("abcdef0123456789", "CN=d", 2)]
