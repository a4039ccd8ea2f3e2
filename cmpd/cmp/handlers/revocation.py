"""rr → rp: revocation, hold and release (RFC 9810, section 5.3.9; RFC 9483, section 4.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography import x509

from cmpd.clm.certificates import AlreadyRevoked, check_revocable, name_of
from cmpd.clm.client import InvalidIdentifier
from cmpd.clm.model import Approval, Certificate, TransactionRequest, TransactionState
from cmpd.cmp.handlers.beneficiary import subject_alternative_names
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.party import Capacity
from cmpd.cmp.protection.protection_certs import key_name
from cmpd.cmp.transaction.bodies import ASKS_NOTHING, BodyType, register
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.schema import DecodeError
from cmpd.cmp.wire.status import failure_info, status_info
from cmpd.reasons import REASONS

if TYPE_CHECKING:
    from cmpd.clm.documents.policy import Policy

OPERATIONS = {
    REASONS["certificateHold"]: Operation.HOLD,
    REASONS["removeFromCRL"]: Operation.RELEASE,
}
"""CRLReason → what it asks for; every other revokes."""
OF_PROTECTION = (FailInfo.badMessageCheck, FailInfo.wrongIntegrity)
"""What is wrong with the message's protection, not with its request: an error message says so."""
REASON_CODE = "2.5.29.21"
WHOLE_MESSAGE = -1
"""The certReqId to poll with for what is no certificate request (RFC 9483, section 4.4)."""
REQUESTED = frozenset({"issuer", "serialNumber"})


async def revoke(exchange: Exchange) -> HandlerResult:
    """One RevDetails → one status, or an error with status waiting where operators must approve."""
    return await settle(exchange, exchange.message, may_wait=True)


async def settle(exchange: Exchange, request: Message, *, may_wait: bool) -> HandlerResult:
    """Answer the rr in `request`: the exchange's own message, or, when the client polls for what was
    approved, the one that began the transaction. A failure travels in the rp."""
    details: list[dict[str, Any]] = request.content
    if len(details) != 1:
        raise CMPFailure(FailInfo.badRequest, f"rr holds {len(details)} RevDetails, one is expected")
    try:
        record = await _named(exchange, details[0]["certDetails"])
        reason = _reason(details[0].get("crlEntryDetails", ()))
        issued = _issued_under(exchange, record)
        _authorize(exchange, record, reason, issued)
        approvals = max(exchange.compiled.policy.revocation_approvals, issued.revocation_approvals)
        waits = may_wait and approvals > 0
        check_revocable(record, reason)
        if not waits:
            by = exchange.party
            exchange.unit += await exchange.clm.certificates.revoke(
                record, reason, actor=by.actor, by=by.described
            )
    except AlreadyRevoked as error:
        return _refused(exchange, CMPFailure(FailInfo.certRevoked, str(error)))
    except CMPFailure as failure:
        if failure.fail_info in OF_PROTECTION:
            raise
        return _refused(exchange, failure)
    if waits:
        return _waiting(exchange, record, approvals)
    state = TransactionState.CLOSED
    return HandlerResult(
        Body.RP,
        {
            "status": [status_info(PKIStatus.accepted)],
            "revCerts": [_cert_id(details[0]["certDetails"], record)],
        },
        state=state,
        certificate=record,
        status=PKIStatus.accepted,
        requests=(TransactionRequest(WHOLE_MESSAGE, state, (record.ca, record.serial)),),
    )


def _issued_under(exchange: Exchange, record: Certificate) -> Policy:
    """The policy of the certificate: its rules hold at whatever address it is revoked. Where it is no
    more, those of the address are all there are."""
    try:
        return exchange.clm.policy(exchange.snapshot, record.policy or "").policy
    except InvalidIdentifier:
        return exchange.compiled.policy


def _waiting(exchange: Exchange, record: Certificate, approvals: int) -> HandlerResult:
    """The request stands; an operator decides, the client polls (RFC 9483, section 4.4)."""
    exchange.unit.append(
        exchange.clm.audited(
            exchange.party.actor,
            "request.wait",
            name_of(record),
            transaction=exchange.log_entry.transaction,
            policy=exchange.compiled.policy.id,
        )
    )
    state = TransactionState.WAITING
    approval = Approval("revocation", record.subject, approvals)
    return HandlerResult(
        Body.ERROR,
        {"pKIStatusInfo": status_info(PKIStatus.waiting, text="the revocation waits for approval")},
        state=state,
        expires=exchange.now + exchange.settings.waiting_memory,
        certificate=record,
        status=PKIStatus.waiting,
        requests=(TransactionRequest(WHOLE_MESSAGE, state, (record.ca, record.serial), approval),),
    )


async def _named(exchange: Exchange, template: dict[str, Any]) -> Certificate:
    """The certificate that issuer and serialNumber name."""
    for field in sorted(REQUESTED):
        if field not in template:
            raise CMPFailure(FailInfo.badCertTemplate, f"certDetails does not contain {field}")
    record = await exchange.clm.issued.by_issuer(bytes(template["issuer"]), template["serialNumber"])
    if record is None:
        raise CMPFailure(
            FailInfo.badCertId, "this server issued no certificate with this issuer and serialNumber"
        )
    return record


def _reason(extensions: Any) -> int:
    for extension in extensions:
        if extension["extnID"] != REASON_CODE:
            continue
        try:
            return REASONS[schema.decode("CRLReason", extension["extnValue"])]
        except DecodeError as error:
            raise CMPFailure(
                FailInfo.badDataFormat, "reasonCode is not a CRLReason", detail=str(error)
            ) from None
    return REASONS["unspecified"]


def _authorize(exchange: Exchange, record: Certificate, reason: int, issued: Policy) -> None:
    """Raises CMPFailure where the party is not granted to move this certificate so."""
    certificate = x509.load_der_x509_certificate(record.der)
    exchange.require(
        OPERATIONS.get(reason, Operation.REVOKE),
        _whom(exchange, record),
        record=record,
        issued_under=issued,
        subject=certificate.subject,
        names=subject_alternative_names(certificate.extensions),
    )


def _whom(exchange: Exchange, record: Certificate) -> Target:
    party = exchange.party
    if party.record is not None and (party.record.ca, party.record.serial) == (record.ca, record.serial):
        return Target.ITSELF
    if record.policy is None:
        return Target.CAS
    if party.capacity is Capacity.RA or party.entity is None or party.entity.id != record.entity:
        return Target.OTHERS
    return Target.ITSELF if party.name == key_name(record.key_hash, party.entity.id) else Target.ENTITY


def _cert_id(template: dict[str, Any], record: Certificate) -> dict[str, Any]:
    return {"issuer": ("directoryName", template["issuer"]), "serialNumber": record.serial}


def _refused(exchange: Exchange, failure: CMPFailure) -> HandlerResult:
    exchange.refuse(failure)
    answer = rejection(failure)
    return answer if exchange.transaction is None else replace(answer, state=TransactionState.CLOSED)


def rejection(failure: CMPFailure) -> HandlerResult:
    """The response that refuses a revocation."""
    return HandlerResult(
        Body.RP,
        {"status": [failure_info(failure)]},
        status=failure.status,
        fail_info=failure.fail_info,
        text=failure.text,
    )


register(BodyType(Body.RR, Event.REQUEST, revoke, None, Body.RP, addresses={"revocation": ASKS_NOTHING}))
