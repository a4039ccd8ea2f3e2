"""pollReq → pollRep, or what the client waits for (RFC 9810, section 5.3.22; RFC 9483, section 4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cmpd.clm.model import Approval, IssuerTicket, TransactionState
from cmpd.cmp.handlers import enrolment, revocation
from cmpd.cmp.parties.cells import Operation
from cmpd.cmp.transaction.bodies import BodyType, register
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire import message
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Body


async def poll(exchange: Exchange) -> HandlerResult:
    """checkAfter while the request waits for approval, then the response to it."""
    transaction = exchange.begun
    items: list[dict[str, Any]] = exchange.message.content
    asked, (waiting,) = [item["certReqId"] for item in items], transaction.requests
    if asked != [waiting.cert_req_id]:
        raise CMPFailure(FailInfo.badRequest, f"pollReq must ask for certReqId {waiting.cert_req_id} alone")
    open_still = transaction.state is TransactionState.WAITING and exchange.now <= transaction.expires
    approval = waiting.waits_for
    if open_still and isinstance(approval, Approval):
        return enrolment.poll_again(exchange, waiting.cert_req_id, approval)
    if transaction.message is None:
        raise CMPFailure(FailInfo.systemFailure, "the transaction has lost its request")
    request = message.parse(transaction.message)
    if open_still and isinstance(approval, IssuerTicket):
        return await enrolment.collect(exchange, request, approval)
    if transaction.state is TransactionState.APPROVED:
        settle = revocation.settle if request.tag == Body.RR else enrolment.certify
        return await settle(exchange, request, may_wait=False)
    why = approval.reason if isinstance(approval, Approval) else ""
    failure = CMPFailure(FailInfo.notAuthorized, why or "the request was not approved")
    return replace(_rejection(Body(request.tag), waiting.cert_req_id, failure), state=TransactionState.CLOSED)


def _rejection(body: Body, cert_req_id: int, failure: CMPFailure) -> HandlerResult:
    if body is Body.RR:
        return revocation.rejection(failure)
    return enrolment.rejection(body, cert_req_id, failure)


register(BodyType(Body.POLLREQ, Event.POLL, poll, Operation.POLLREQ))
