"""Requests that wait for approval: different operators say yes, or one says no (RFC 9483, section 4.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from cmpd.clm.model import Act, Approval, Transaction, TransactionRequest, TransactionState
from cmpd.clm.store.base import Conflict, Store
from cmpd.clm.store.changes import DecideTransaction, Unit, audited

TRIES = 5
"""Of a decision that meets another one."""


class CannotDecide(Exception):
    """The request does not wait, or this operator may not decide (again); the text says which."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for approval, as operators see it."""

    transaction: Transaction
    request: TransactionRequest
    approval: Approval

    @property
    def id(self) -> str:
        """The transactionID in hexadecimal: what `approve` and `reject` take."""
        return self.transaction.id.hex()

    @property
    def serial(self) -> str:
        """The serial number, in hexadecimal, of the certificate it is about; empty where it is to come."""
        certificate = self.request.certificate
        return "" if certificate is None else f"{certificate[1]:x}"


async def waiting(store: Store) -> AsyncIterator[Waiting]:
    """All requests that wait."""
    async for transaction in store.transactions(TransactionState.WAITING):
        for request in transaction.requests:
            if isinstance(request.waits_for, Approval):
                yield Waiting(transaction, request, request.waits_for)


async def find(store: Store, id: str) -> Waiting:
    """The waiting request whose transactionID begins with `id`. Raises CannotDecide."""
    found = [one async for one in waiting(store) if one.id.startswith(id.lower())] if id else []
    if len(found) == 1:
        return found[0]
    if found:
        raise CannotDecide(f"{len(found)} waiting requests begin with {id}; give more of it")
    raise CannotDecide(f"no request {id} waits; `cmpd cert list --pending` shows those that do")


async def decide(store: Store, id: str, decision: Callable[[Waiting], Unit]) -> Waiting:
    """Carry out a decision (`approve`, `reject`) on the request that `find` finds, as it is when it was
    decided: anew where another operator decided at the same moment. Raises CannotDecide, StoreError."""
    for _ in range(TRIES):
        request = await find(store, id)
        try:
            await store.commit(decision(request))
        except Conflict:
            continue
        return request
    raise CannotDecide("others decide on this request at the same moment, or it has expired; try again")


def approve(act: Act, request: Waiting) -> Unit:
    """One approval; with the last that is needed the next pollReq gets the certificate.

    Raises CannotDecide where this operator has approved already."""
    approval = request.approval
    if act.actor in approval.approvals:
        raise CannotDecide(f"{act.actor} approved this request already; another operator must")
    approvals = (*approval.approvals, act.actor)
    state = TransactionState.APPROVED if len(approvals) >= approval.needed else TransactionState.WAITING
    return _decided(act, request, state, replace(approval, approvals=approvals), "approve")


def reject(act: Act, request: Waiting, why: str) -> Unit:
    """No; the next pollReq gets the rejection, with the reason where one is given."""
    approval = replace(request.approval, rejected=act.actor, reason=why)
    return _decided(act, request, TransactionState.REFUSED, approval, "reject")


def _decided(act: Act, request: Waiting, state: TransactionState, approval: Approval, action: str) -> Unit:
    old = request.transaction
    decided = replace(request.request, state=state, waits_for=approval)
    requests = tuple(decided if one is request.request else one for one in old.requests)
    told = {"subject": approval.subject, "policy": old.policy}
    event = audited(act, f"request.{action}", f"transaction:{request.id}", **told)
    changed = replace(old, state=state, requests=requests)
    return (DecideTransaction(changed, old, act.time), event)
