"""ir, cr, kur and p10cr → ip, cp, kup, cp (RFC 9810, sections 5.3.1 to 5.3.6; RFC 9483, section 4.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cmpd.clm.model import Certificate, TransactionState
from cmpd.clm.refusal import RequestRefused, ReservedName
from cmpd.cmp.handlers import beneficiary, generation, original, update
from cmpd.cmp.handlers.delivery import certified_key_pair, is_encrypted
from cmpd.cmp.handlers.pop_challenge import challenged
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.party import BY_PASSWORD
from cmpd.cmp.requests.cert_request import CertRequest, KeyGenRequest, read_cert_request
from cmpd.cmp.requests.decryption import Method
from cmpd.cmp.transaction.bodies import ASKS_NOTHING, BodyType, register, response_to
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.protector import issuing_chain
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire import general_info
from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.status import failure_info, status_info

OF_PROTECTION = (FailInfo.badMessageCheck, FailInfo.wrongIntegrity)
"""What is wrong with the message's protection, not with its request: an error message says so."""


async def enrol(exchange: Exchange) -> HandlerResult:
    """A certificate, the promise of one (waiting), or a rejection in the response."""
    return await certify(exchange, exchange.message, may_wait=True)


async def certify(exchange: Exchange, request: Message, *, may_wait: bool) -> HandlerResult:
    """Answer the certificate request in `request`: the exchange's own message, or, when the client
    polls for what was approved, the one that began the transaction."""
    body = Body(request.tag)
    cert_request = read_cert_request(request)
    try:
        if isinstance(cert_request, KeyGenRequest):
            beneficiary.before_the_key(exchange, OPERATIONS[body])
            cert_request = await generation.completed(exchange, cert_request, request.header.pvno)
        return await _certify(exchange, request, cert_request, may_wait=may_wait)
    except CMPFailure as failure:
        if failure.fail_info in OF_PROTECTION:
            raise
        exchange.refuse(failure)
        return _rejection(exchange, body, cert_request, failure)


async def _certify(
    exchange: Exchange, request: Message, cert_request: CertRequest, *, may_wait: bool
) -> HandlerResult:
    _check_authority(exchange)
    body = Body(request.tag)
    old: Certificate | None = None
    if body is Body.KUR:
        old = await update.replaced(exchange, cert_request)
        cert_request = update.completed(exchange, cert_request, old)
    operation = OPERATIONS[body]
    entity = await beneficiary.granted(exchange, operation, cert_request, old)
    _check_possession(exchange, request, cert_request)
    first = exchange.transaction is None
    asks_challenge = (
        cert_request.deferred_pop is not None
        and cert_request.deferred_pop.method is Method.CHALLENGE
        and first
    )
    waits = may_wait and exchange.compiled.policy.approvals > 0
    policy = exchange.compiled.policy
    implicit = (
        general_info.asks_implicit_confirm(request.header.general_info)
        and policy.implicit_confirm
        and not is_encrypted(cert_request)
    )
    if first and exchange.party.capacity in BY_PASSWORD and exchange.party.entity is not None:
        exchange.clm.use_password(exchange.party.entity, exchange.unit)
    try:
        record, modifications = exchange.clm.issue(
            exchange.compiled,
            entity,
            cert_request.request,
            [] if waits or asks_challenge else exchange.unit,
            transaction=exchange.transaction_id,
            confirmed=implicit,
            replaces=old,
            by=exchange.party,
        )
    except ReservedName as refused:
        exchange.require(operation, Target.HOUSE)
        raise CMPFailure(FailInfo.badCertTemplate, f"{refused.field}: {refused.text}") from None
    except RequestRefused as refused:
        raise CMPFailure(FailInfo.badCertTemplate, f"{refused.field}: {refused.text}") from None
    await beneficiary.check_issued(exchange, operation, cert_request, record, old)
    if cert_request.deferred_pop is not None:
        cert_request.deferred_pop.check_issued(record.der)
    if asks_challenge:
        return challenged(exchange, cert_request)
    if waits:
        return _waiting(exchange, body, cert_request, record)
    if implicit:
        await exchange.clm.retire_replaced(exchange.compiled, record, exchange.unit)
    pair = await certified_key_pair(exchange, cert_request, record, request.header.pvno)
    return _granted(exchange, body, cert_request, record, pair, modifications, implicit=implicit)


def _check_authority(exchange: Exchange) -> None:
    """A CA out of its time issues nothing; that is no fault of the request."""
    authority = exchange.compiled.authority
    if not authority.not_before <= exchange.now <= authority.not_after:
        raise CMPFailure(
            FailInfo.systemFailure,
            "the CA's certificate is not valid at this time, an operator has to look",
            detail=f"CA {authority.name}: the clock is off, or `cmpd ca rollover` is overdue",
        )


def _check_possession(exchange: Exchange, request: Message, cert_request: CertRequest) -> None:
    """Proof that the requester holds the private key (RFC 9810, section 5.2.8; RFC 4211, section 4)."""
    if cert_request.ra_verified:
        exchange.require(Operation.RA_VERIFIED, Target.NONE)
        original.check_possession(request, cert_request)
    else:
        cert_request.prove()


def _granted(
    exchange: Exchange,
    body: Body,
    cert_request: CertRequest,
    record: Certificate,
    certified_key_pair: dict[str, Any],
    modifications: tuple[str, ...],
    *,
    implicit: bool,
) -> HandlerResult:
    status = PKIStatus.grantedWithMods if modifications else PKIStatus.accepted
    text = "changed: " + "; ".join(modifications) if modifications else ""
    policy, authority = exchange.compiled.policy, exchange.compiled.authority
    wait = policy.confirm_wait
    info = (
        general_info.implicit_confirm() if implicit else general_info.confirm_wait_time(exchange.now + wait)
    )
    content: dict[str, Any] = {
        "response": [
            {
                "certReqId": cert_request.id,
                "status": status_info(status, text=text),
                "certifiedKeyPair": certified_key_pair,
            }
        ]
    }
    if body is Body.IR and policy.ca_pubs and exchange.party.mac is not None:
        content["caPubs"] = [authority.root_der]
    return HandlerResult(
        response_to(body),
        content,
        general_info=info,
        extra_certs=issuing_chain(authority),
        state=TransactionState.CLOSED if implicit else TransactionState.CONFIRMING,
        expires=0 if implicit else exchange.now + wait,
        certificate=record,
        status=status,
        text=text,
    )


def _waiting(exchange: Exchange, body: Body, cert_request: CertRequest, draft: Certificate) -> HandlerResult:
    """The request stands; an operator decides, the client polls (RFC 9483, section 4.4)."""
    exchange.clm.audit(
        exchange.unit,
        exchange.party.actor,
        "request.wait",
        f"transaction:{exchange.record.transaction}",
        subject=draft.subject,
        policy=exchange.compiled.policy.id,
    )
    return HandlerResult(
        response_to(body),
        {"response": [{"certReqId": cert_request.id, "status": status_info(PKIStatus.waiting)}]},
        state=TransactionState.WAITING,
        expires=exchange.now + exchange.settings.waiting_memory,
        status=PKIStatus.waiting,
        detail={
            "subject": draft.subject,
            "needed": exchange.compiled.policy.approvals,
            "approvals": [],
            "certReqId": cert_request.id,
        },
    )


def _rejection(
    exchange: Exchange, body: Body, cert_request: CertRequest | KeyGenRequest, failure: CMPFailure
) -> HandlerResult:
    answer = rejection(body, cert_request.id, failure)
    if exchange.transaction is None:
        return answer
    return replace(answer, state=TransactionState.CLOSED)


def rejection(body: Body, cert_req_id: int, failure: CMPFailure) -> HandlerResult:
    """The response that refuses a certificate request."""
    return HandlerResult(
        response_to(body),
        {"response": [{"certReqId": cert_req_id, "status": failure_info(failure)}]},
        status=failure.status,
        fail_info=failure.fail_info,
        text=failure.text,
    )


OPERATIONS = {
    Body.IR: Operation.IR,
    Body.CR: Operation.CR,
    Body.KUR: Operation.KUR,
    Body.P10CR: Operation.P10CR,
}


def _register(body: Body, response: Body, address: str) -> None:
    operation = OPERATIONS[body]
    addresses = {address: ASKS_NOTHING}
    register(BodyType(body, Event.REQUEST, enrol, operation, response, certifies=True, addresses=addresses))


_register(Body.IR, Body.IP, "initialization")
_register(Body.CR, Body.CP, "certification")
_register(Body.KUR, Body.KUP, "keyupdate")
_register(Body.P10CR, Body.CP, "pkcs10")
