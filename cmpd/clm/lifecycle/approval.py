"""Requests that wait for approval: different operators say yes, or one says no (RFC 9483, section 4.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from cmpd.clm.model import Act, Transaction, TransactionState
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AdvanceTransaction, Unit, audited


class CannotDecide(Exception):
    """The request does not wait, or this operator may not decide (again); the text says which."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits, as operators see it."""

    transaction: Transaction

    @property
    def id(self) -> str:
        """The transactionID in hexadecimal: what `approve` and `reject` take."""
        return self.transaction.id.hex()

    @property
    def subject(self) -> str:
        """The subject asked for, RFC 4514 text."""
        return str(self.transaction.detail.get("subject", ""))

    @property
    def asks(self) -> str:
        """For what: ``certificate``, or ``revocation`` (of the certificate whose serial is `serial`)."""
        return str(self.transaction.detail.get("asks", "certificate"))

    @property
    def serial(self) -> str:
        """The serial number, in hexadecimal, of the certificate it is about; empty where it is to come."""
        serial = self.transaction.serial
        return "" if serial is None else f"{serial:x}"

    @property
    def needed(self) -> int:
        """How many operators must approve."""
        return int(self.transaction.detail.get("needed", 1))

    @property
    def approvals(self) -> tuple[str, ...]:
        """Who approved so far."""
        return tuple(self.transaction.detail.get("approvals", ()))


async def waiting(store: Store) -> AsyncIterator[Waiting]:
    """All requests that wait."""
    async for transaction in store.transactions(TransactionState.WAITING):
        yield Waiting(transaction)


async def find(store: Store, id: str) -> Waiting:
    """The waiting request whose transactionID begins with `id`. Raises CannotDecide."""
    found = [one async for one in waiting(store) if one.id.startswith(id.lower())] if id else []
    if len(found) == 1:
        return found[0]
    if found:
        raise CannotDecide(f"{len(found)} waiting requests begin with {id}; give more of it")
    raise CannotDecide(f"no request {id} waits; `cmpd cert list --pending` shows those that do")


def approve(act: Act, request: Waiting) -> Unit:
    """One approval; with the last that is needed the next pollReq gets the certificate.

    Raises CannotDecide where this operator has approved already."""
    if act.actor in request.approvals:
        raise CannotDecide(f"{act.actor} approved this request already; it takes another operator")
    approvals = [*request.approvals, act.actor]
    state = TransactionState.APPROVED if len(approvals) >= request.needed else TransactionState.WAITING
    detail = request.transaction.detail | {"approvals": approvals}
    return _decided(act, request, replace(request.transaction, state=state, detail=detail), "approve")


def reject(act: Act, request: Waiting, why: str) -> Unit:
    """No; the next pollReq gets the rejection, with the reason where one is given."""
    detail = request.transaction.detail | {"rejected": act.actor, "reason": why}
    changed = replace(request.transaction, state=TransactionState.REFUSED, detail=detail)
    return _decided(act, request, changed, "reject")


def _decided(act: Act, request: Waiting, changed: Transaction, action: str) -> Unit:
    old = request.transaction
    told = {"subject": request.subject, "policy": old.policy}
    event = audited(act, f"request.{action}", f"transaction:{request.id}", **told)
    return (AdvanceTransaction(changed, old.state, old.server_nonce, old.detail), event)
