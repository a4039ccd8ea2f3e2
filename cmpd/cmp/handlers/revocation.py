"""rr → rp: revocation, hold and release (RFC 9810, section 5.3.9; RFC 9483, section 4.2)."""

from __future__ import annotations

from typing import Any

from cmpd.clm.client import AlreadyRevoked
from cmpd.clm.model import Certificate, TransactionState
from cmpd.cmp import schema
from cmpd.cmp.exchange import Answer, Exchange
from cmpd.cmp.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.message import Body
from cmpd.cmp.schema import DecodeError
from cmpd.cmp.status import failure_info, status_info

REASON_CODE = "2.5.29.21"
UNSPECIFIED = 0
REASONS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "removeFromCRL": 8,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
"""CRLReason (RFC 5280, section 5.3.1); 7 is not used."""
REQUESTED = frozenset({"issuer", "serialNumber"})


async def revoke(exchange: Exchange) -> Answer:
    """One RevDetails → one status; a failure travels in the rp."""
    details: list[dict[str, Any]] = exchange.message.content
    if len(details) != 1:
        raise CMPFailure(FailInfo.badRequest, f"rr holds {len(details)} RevDetails, one is expected")
    if exchange.party.mac is not None and not exchange.served.policy.password_revocation:
        raise CMPFailure(FailInfo.wrongIntegrity, "revocation takes a signature under this policy")
    try:
        record = await _named(exchange, details[0]["certDetails"])
        reason = _reason(details[0].get("crlEntryDetails", ()))
        _authorize(exchange, record)
        exchange.clm.revoke(record, reason, exchange.unit, actor=exchange.party.actor)
    except AlreadyRevoked as error:
        return _refused(exchange, CMPFailure(FailInfo.certRevoked, str(error)))
    except CMPFailure as failure:
        return _refused(exchange, failure)
    return Answer(
        Body.RP,
        {
            "status": [status_info(PKIStatus.accepted)],
            "revCerts": [_cert_id(details[0]["certDetails"], record)],
        },
        state=TransactionState.CLOSED,
        certificate=record,
        status=PKIStatus.accepted,
    )


async def _named(exchange: Exchange, template: dict[str, Any]) -> Certificate:
    """The certificate that issuer and serialNumber name."""
    for field in sorted(REQUESTED):
        if field not in template:
            raise CMPFailure(FailInfo.badCertTemplate, f"certDetails lacks {field}")
    record = await exchange.clm.certificate_by_issuer(bytes(template["issuer"]), template["serialNumber"])
    if record is None:
        raise CMPFailure(FailInfo.badCertId, "no certificate of this issuer and serialNumber was issued here")
    return record


def _reason(extensions: Any) -> int:
    for extension in extensions:
        if extension["extnID"] != REASON_CODE:
            continue
        try:
            return REASONS[schema.decode("CRLReason", extension["extnValue"])]
        except DecodeError as error:
            raise CMPFailure(
                FailInfo.badDataFormat, "reasonCode is no CRLReason", detail=str(error)
            ) from None
    return UNSPECIFIED


def _authorize(exchange: Exchange, record: Certificate) -> None:
    """By the certificate's own key, by its end entity's password, or by an RA."""
    party = exchange.party
    if exchange.party.is_ra:
        return
    if party.record is not None and (party.record.ca, party.record.serial) == (record.ca, record.serial):
        return
    if party.name == f"key:{record.key_hash.hex()}":
        return
    if party.mac is not None and party.entity is not None and party.entity.id == record.entity:
        return
    raise CMPFailure(FailInfo.notAuthorized, "the certificate is not the requester's to revoke")


def _cert_id(template: dict[str, Any], record: Certificate) -> dict[str, Any]:
    return {"issuer": ("directoryName", template["issuer"]), "serialNumber": record.serial}


def _refused(exchange: Exchange, failure: CMPFailure) -> Answer:
    exchange.refuse(failure)
    return Answer(
        Body.RP,
        {"status": [failure_info(failure)]},
        status=failure.status,
        fail_info=failure.fail_info,
        text=failure.text,
    )
