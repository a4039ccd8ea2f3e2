"""ir, cr, kur and p10cr → ip, cp, kup, cp (RFC 9810, sections 5.3.1 to 5.3.6; RFC 9483, section 4.1)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from cmpd.clm.authorities.key_ref import KeyUnavailable
from cmpd.clm.certificates import AlreadySuperseded
from cmpd.clm.issuance.issuer import IssuancePending, IssuedCertificate, IssuerUnavailable, RequestId
from cmpd.clm.issuance.prepare import PreparedCertificate
from cmpd.clm.model import (
    Approval,
    Certificate,
    Entity,
    IssuerTicket,
    TransactionRequest,
    TransactionState,
)
from cmpd.clm.pkix.attributes import name_text
from cmpd.clm.refusal import RequestRefused, ReservedName
from cmpd.cmp.handlers import beneficiary, generation, original, update
from cmpd.cmp.handlers.delivery import certified_key_pair, is_encrypted
from cmpd.cmp.handlers.pop_challenge import challenged
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.party import BY_PASSWORD
from cmpd.cmp.requests.cert_request import CertRequest, KeyGenRequest, read_cert_request
from cmpd.cmp.requests.decryption import Method
from cmpd.cmp.transaction import memory
from cmpd.cmp.transaction.bodies import ASKS_NOTHING, BodyType, register, response_to
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.issuing import CANNOT_ISSUE
from cmpd.cmp.transaction.protector import issuing_chain
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire import general_info
from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.status import failure_info, status_info

log = logging.getLogger(__name__)

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
        return await _certify(exchange, request, body, cert_request, may_wait=may_wait)
    except CMPFailure as failure:
        if failure.fail_info in OF_PROTECTION:
            raise
        exchange.refuse(failure)
        return _rejection(exchange, body, cert_request, failure)


async def _certify(
    exchange: Exchange, request: Message, body: Body, cert_request: CertRequest, *, may_wait: bool
) -> HandlerResult:
    _check_authority(exchange)
    old: Certificate | None = None
    if body is Body.KUR:
        old = await update.replaced(exchange, cert_request)
        cert_request = update.completed(exchange, cert_request, old)
    operation = OPERATIONS[body]
    entity = await beneficiary.granted(exchange, operation, cert_request, old)
    _check_possession(exchange, request, cert_request)
    first = exchange.transaction is None
    policy = exchange.compiled.policy
    implicit = (
        general_info.asks_implicit_confirm(request.header.general_info)
        and policy.implicit_confirm
        and not is_encrypted(cert_request)
    )
    if first and exchange.party.capacity in BY_PASSWORD and exchange.party.entity is not None:
        exchange.unit += exchange.clm.use_password(exchange.party.entity)
    prepared = await _prepared(exchange, operation, cert_request, entity, old)
    pop = cert_request.deferred_pop
    if first and pop is not None and pop.method is Method.CHALLENGE:
        return challenged(exchange, cert_request)
    if may_wait and policy.approvals > 0:
        return _waiting(exchange, body, cert_request, prepared)
    if not may_wait:
        _check_approved(exchange, cert_request, prepared)
    outcome = await _issued(exchange, cert_request, prepared, entity, old)
    ticket = IssuerTicket(
        "",
        entity.id if entity else None,
        (old.ca, old.serial) if old else None,
        implicit,
        prepared.modifications,
    )
    if isinstance(outcome, IssuancePending):
        return _pending(exchange, body, cert_request, replace(ticket, ticket=outcome.ticket))
    return await _granted(exchange, request, body, cert_request, outcome, ticket)


def _check_approved(exchange: Exchange, cert_request: CertRequest, prepared: PreparedCertificate) -> None:
    """Raises CMPFailure where the certificate is not the one that operators were shown and approved."""
    (request,) = exchange.begun.requests
    approval = request.waits_for
    if not isinstance(approval, Approval) or not approval.content:
        return
    if _content(exchange, cert_request, prepared) != approval.content:
        raise CMPFailure(
            FailInfo.notAuthorized,
            "policy, template or end entity changed since the request was approved: request it again",
        )


def _content(exchange: Exchange, cert_request: CertRequest, prepared: PreparedCertificate) -> str:
    approvals = exchange.compiled.policy.approvals
    return prepared.content(approvals, own_key=cert_request.generated is None)


async def collect(exchange: Exchange, request: Message, ticket: IssuerTicket) -> HandlerResult:
    """What the issuer has by now of the certificate that `request` asked for. Raises CMPFailure."""
    body, cert_request = Body(request.tag), read_cert_request(request)
    if isinstance(cert_request, KeyGenRequest):
        raise CMPFailure(FailInfo.systemFailure, "the key that was generated is not kept")
    id = RequestId(exchange.transaction_id, cert_request.id)
    try:
        outcome = await exchange.clm.certificates.issuer(exchange.compiled.authority).collect(
            id, ticket.ticket
        )
    except (KeyUnavailable, IssuerUnavailable) as error:
        log.warning("the issuer cannot be asked: %s", error)
        outcome = IssuancePending(ticket.ticket)
    except RequestRefused as refused:
        failure = CMPFailure(FailInfo.badCertTemplate, f"{refused.field}: {refused.text}")
        exchange.refuse(failure)
        return _rejection(exchange, body, cert_request, failure)
    if isinstance(outcome, IssuancePending):
        return _pending(exchange, body, cert_request, replace(ticket, ticket=outcome.ticket))
    return await _granted(exchange, request, body, cert_request, outcome, ticket)


async def _prepared(
    exchange: Exchange,
    operation: Operation,
    cert_request: CertRequest,
    entity: Entity | None,
    old: Certificate | None,
) -> PreparedCertificate:
    """The certificate that would be issued, which the party is granted. Raises CMPFailure."""
    clm = exchange.clm
    try:
        prepared = clm.certificates.prepare(
            exchange.compiled,
            entity,
            cert_request.request,
            now=exchange.now,
            serial=exchange.issuance.serial(cert_request.id, clm.random),
            replaces=old,
        )
    except ReservedName as refused:
        exchange.require(operation, Target.CAS)
        raise CMPFailure(FailInfo.badCertTemplate, f"{refused.field}: {refused.text}") from None
    except RequestRefused as refused:
        raise CMPFailure(FailInfo.badCertTemplate, f"{refused.field}: {refused.text}") from None
    await beneficiary.check_prepared(exchange, operation, cert_request, prepared, old)
    if cert_request.deferred_pop is not None:
        cert_request.deferred_pop.check_prepared(prepared.extensions)
    return prepared


async def _issued(
    exchange: Exchange,
    cert_request: CertRequest,
    prepared: PreparedCertificate,
    entity: Entity | None,
    old: Certificate | None,
) -> IssuedCertificate | IssuancePending:
    """What the issuer gives, asked at most once for each request. Raises CMPFailure, and Conflict before it
    is asked."""
    clm, issuance = exchange.clm, exchange.issuance
    exchange.unit += clm.certificates.limit(exchange.compiled, entity, prepared, replaces=old)
    known = issuance.known(cert_request.id, prepared)
    if known is not None:
        return known
    issuer = clm.catalog.issuer_of(exchange.compiled.authority)
    if issuer.claims:
        await exchange.commit_claim(memory.claim(exchange, cert_request.id))
        exchange.unit += clm.certificates.limit(exchange.compiled, entity, prepared, replaces=old)
    try:
        return await issuance.issue(issuer, RequestId(exchange.transaction_id, cert_request.id), prepared)
    except (KeyUnavailable, IssuerUnavailable) as error:
        raise CMPFailure(FailInfo.systemUnavail, CANNOT_ISSUE, detail=str(error)) from None
    except RequestRefused as refused:
        raise CMPFailure(FailInfo.badCertTemplate, f"{refused.field}: {refused.text}") from None


def _check_authority(exchange: Exchange) -> None:
    """A CA out of its time issues nothing; that is no fault of the request."""
    authority = exchange.compiled.authority
    if not authority.not_before <= exchange.now <= authority.not_after:
        raise CMPFailure(
            FailInfo.systemFailure,
            "the CA's certificate is not valid at this time, an operator must act",
            detail=f"CA {authority.name}: the clock is off, or `cmpd ca rollover` is overdue",
        )


def _check_possession(exchange: Exchange, request: Message, cert_request: CertRequest) -> None:
    """Proof that the requester holds the private key (RFC 9810, section 5.2.8; RFC 4211, section 4)."""
    if cert_request.ra_verified:
        exchange.require(Operation.RA_VERIFIED, Target.NONE)
        original.check_possession(request, cert_request)
    else:
        cert_request.prove()


async def _granted(
    exchange: Exchange,
    request: Message,
    body: Body,
    cert_request: CertRequest,
    issued: IssuedCertificate,
    ticket: IssuerTicket,
) -> HandlerResult:
    """The certificate to its requester. Raises CMPFailure."""
    compiled = exchange.compiled
    policy, authority = compiled.policy, compiled.authority
    if issued.key_hash != cert_request.key_hash:
        raise CMPFailure(
            FailInfo.systemFailure,
            "the CA issued a certificate for another key",
            detail=f"CA {authority.name}",
        )
    record, added = exchange.clm.certificates.add(
        issued,
        policy=policy.id,
        entity=ticket.entity,
        replaces=ticket.replaces,
        transaction=exchange.transaction_id,
        confirmed=ticket.confirmed,
        by=exchange.party,
    )
    exchange.unit += added
    if ticket.confirmed:
        try:
            exchange.unit += await exchange.clm.certificates.retire_replaced(compiled, record)
        except AlreadySuperseded as error:
            raise CMPFailure(FailInfo.certRevoked, str(error)) from None
        info, state, expires = general_info.implicit_confirm(), TransactionState.CLOSED, 0
    else:
        expires, state = exchange.now + policy.confirm_wait, TransactionState.CONFIRMING
        info = general_info.confirm_wait_time(expires)
    status, text = PKIStatus.accepted, ""
    if ticket.modifications:
        status, text = PKIStatus.grantedWithMods, "changed: " + "; ".join(ticket.modifications)
    content: dict[str, Any] = {
        "response": [
            {
                "certReqId": cert_request.id,
                "status": status_info(status, text=text),
                "certifiedKeyPair": await certified_key_pair(
                    exchange, cert_request, record, request.header.pvno
                ),
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
        state=state,
        expires=expires,
        certificate=record,
        status=status,
        text=text,
        requests=(TransactionRequest(cert_request.id, state, (record.ca, record.serial)),),
    )


def _waiting(
    exchange: Exchange, body: Body, cert_request: CertRequest, prepared: PreparedCertificate
) -> HandlerResult:
    """The request waits; an operator decides, the client polls (RFC 9483, section 4.4)."""
    subject, policy = name_text(prepared.subject), exchange.compiled.policy
    exchange.unit.append(
        exchange.clm.audited(
            exchange.party.actor,
            "request.wait",
            f"transaction:{exchange.log_entry.transaction}",
            subject=subject,
            policy=policy.id,
        )
    )
    approval = Approval(
        "certificate", subject, policy.approvals, content=_content(exchange, cert_request, prepared)
    )
    return _waits(exchange, body, cert_request.id, approval)


def _pending(
    exchange: Exchange, body: Body, cert_request: CertRequest, ticket: IssuerTicket
) -> HandlerResult:
    """The issuer takes its time; the client polls."""
    if cert_request.generated is not None:
        raise CMPFailure(
            FailInfo.systemFailure,
            "the CA issues later, and the key that was generated is not kept until then",
        )
    if exchange.message.tag == Body.POLLREQ:
        return poll_again(exchange, cert_request.id, ticket)
    return _waits(exchange, body, cert_request.id, ticket)


def _waits(exchange: Exchange, body: Body, id: int, waits_for: Approval | IssuerTicket) -> HandlerResult:
    waiting = TransactionState.WAITING
    return HandlerResult(
        response_to(body),
        {"response": [{"certReqId": id, "status": status_info(PKIStatus.waiting)}]},
        state=waiting,
        expires=exchange.now + exchange.settings.waiting_memory,
        status=PKIStatus.waiting,
        requests=(TransactionRequest(id, waiting, None, waits_for),),
    )


def poll_again(exchange: Exchange, id: int, waits_for: Approval | IssuerTicket) -> HandlerResult:
    """pollRep: nothing is decided yet (RFC 9810, section 5.3.22)."""
    reason = (
        "the request waits for approval" if isinstance(waits_for, Approval) else "the CA has not issued yet"
    )
    item = {"certReqId": id, "checkAfter": exchange.settings.check_after, "reason": [reason]}
    waiting = TransactionState.WAITING
    certificate = exchange.begun.certificate
    return HandlerResult(
        Body.POLLREP,
        [item],
        state=waiting,
        expires=exchange.begun.expires,
        requests=(TransactionRequest(id, waiting, certificate, waits_for),),
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
