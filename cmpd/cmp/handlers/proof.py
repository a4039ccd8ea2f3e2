"""popdecr → the response to the request that was challenged (RFC 9810, section 5.2.8.3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cmpd.clm.model import Challenge, TransactionState
from cmpd.cmp.cms import challenge
from cmpd.cmp.handlers import enrolment
from cmpd.cmp.parties.cells import Operation
from cmpd.cmp.requests.cert_request import CRMF_ID
from cmpd.cmp.transaction.bodies import BodyType, register
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire import message
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Body


async def prove(exchange: Exchange) -> HandlerResult:
    """ip, cp or kup, as if the request had proved possession itself; a wrong answer is badPOP there.

    There is one try: a guess ends the transaction.
    """
    transaction = exchange.begun
    if exchange.now > transaction.expires:
        raise CMPFailure(FailInfo.badRequest, "the time to answer the challenge is over")
    if transaction.message is None:
        raise CMPFailure(FailInfo.systemFailure, "the transaction has lost its request")
    request = message.parse(transaction.message)
    numbers: list[Any] = exchange.message.content
    (challenged,) = transaction.requests
    sent = challenged.waits_for
    if isinstance(sent, Challenge) and challenge.answers(sent.answer, numbers):
        return await enrolment.certify(exchange, request, may_wait=True)
    failure = CMPFailure(FailInfo.badPOP, "popdecr does not hold the number that the challenge asked for")
    exchange.refuse(failure)
    answer = enrolment.rejection(Body(request.tag), CRMF_ID, failure)
    return replace(answer, state=TransactionState.CLOSED)


register(BodyType(Body.POPDECR, Event.PROVE, prove, Operation.POPDECR))
