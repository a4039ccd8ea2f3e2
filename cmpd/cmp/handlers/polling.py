"""pollReq → pollRep, or what the client waits for (RFC 9810, section 5.3.22; RFC 9483, section 4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cmpd.clm.model import TransactionState
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
    cert_req_id = transaction.detail["certReqId"]
    if [item["certReqId"] for item in items] != [cert_req_id]:
        raise CMPFailure(FailInfo.badRequest, f"pollReq must ask for certReqId {cert_req_id} alone")
    if transaction.state is TransactionState.WAITING and exchange.now <= transaction.expires:
        return _wait(exchange, cert_req_id)
    if transaction.request is None:
        raise CMPFailure(FailInfo.systemFailure, "the transaction has lost its request")
    request = message.parse(transaction.request)
    if transaction.state is TransactionState.APPROVED:
        settle = revocation.settle if request.tag == Body.RR else enrolment.certify
        answer = await settle(exchange, request, may_wait=False)
        return replace(answer, detail={})
    why = transaction.detail.get("reason") or "the request was not approved"
    answer = _rejection(Body(request.tag), cert_req_id, CMPFailure(FailInfo.notAuthorized, why))
    return replace(answer, state=TransactionState.CLOSED, detail={})


def _rejection(body: Body, cert_req_id: int, failure: CMPFailure) -> HandlerResult:
    if body is Body.RR:
        return revocation.rejection(failure)
    return enrolment.rejection(body, cert_req_id, failure)


def _wait(exchange: Exchange, cert_req_id: int) -> HandlerResult:
    transaction = exchange.begun
    item = {
        "certReqId": cert_req_id,
        "checkAfter": exchange.settings.check_after,
        "reason": ["the request waits for approval"],
    }
    return HandlerResult(Body.POLLREP, [item], state=TransactionState.WAITING, expires=transaction.expires)


register(BodyType(Body.POLLREQ, Event.POLL, poll, Operation.POLLREQ))
