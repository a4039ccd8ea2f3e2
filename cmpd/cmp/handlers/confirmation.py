"""certConf and error from the client: how an enrolment ends (RFC 9810, sections 5.3.18 and 5.3.21)."""

from __future__ import annotations

import hmac
from typing import Any

from cryptography import x509

from cmpd.clm.certificates import AlreadySuperseded
from cmpd.clm.model import Certificate, CertificateState, TransactionState
from cmpd.cmp.parties.cells import Operation
from cmpd.cmp.protection import hashing, signature
from cmpd.cmp.transaction.bodies import BodyType, register
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import CMP2021, Body, parse_algorithm
from cmpd.cmp.wire.schema import DecodeError
from cmpd.cmp.wire.status import is_accepted

PKICONF_VALUE = None
SHORT_SHAKE256 = 32
"""Octets of SHAKE256 that OpenSSL 3 takes where RFC 9481, section 3.3, has 64: the first half of them."""


async def confirm(exchange: Exchange) -> HandlerResult:
    """certConf → pkiconf. The certificate is active afterwards, or rejected.

    A rejection is an empty CertConfirmContent or a statusInfo that says so (RFC 9810, section 5.3.18).
    """
    record = _awaiting(exchange)
    statuses: list[dict[str, Any]] = exchange.message.content
    if len(statuses) > 1:
        raise CMPFailure(FailInfo.badRequest, "certConf answers more certificates than were issued")
    transaction = exchange.begun
    if not statuses:
        exchange.unit += await exchange.clm.certificates.reject(
            record, why="empty certConf", actor=exchange.party.actor
        )
        return _done(exchange, record)
    status = statuses[0]
    known = {0, -1} if transaction.body == Body.P10CR else {0}
    if status["certReqId"] not in known:
        raise CMPFailure(FailInfo.badRequest, f"certReqId {status['certReqId']} was not in the response")
    if not hmac.compare_digest(status["certHash"], _hash(exchange, record, status)):
        raise CMPFailure(FailInfo.badCertId, "certHash does not match the certificate of this transaction")
    info = status.get("statusInfo")
    if is_accepted(info):
        try:
            confirmed = await exchange.clm.certificates.confirm(exchange.compiled, record, by=exchange.party)
        except AlreadySuperseded as error:
            raise CMPFailure(FailInfo.certRevoked, str(error)) from None
        exchange.unit += confirmed
    else:
        why = " ".join((info or {}).get("statusString", ())) or "the client rejects it"
        exchange.unit += await exchange.clm.certificates.reject(record, why=why, actor=exchange.party.actor)
    return _done(exchange, record)


async def abort(exchange: Exchange) -> HandlerResult:
    """error from the client → pkiconf: the transaction ends, an unconfirmed certificate is rejected
    (RFC 9483, section 3.6.4)."""
    transaction = exchange.begun
    if transaction.state is TransactionState.CONFIRMING:
        record = _awaiting(exchange)
        exchange.unit += await exchange.clm.certificates.reject(
            record, why="error from the client", actor=exchange.party.actor
        )
        return _done(exchange, record)
    return _done(exchange, None)


def _awaiting(exchange: Exchange) -> Certificate:
    """The certificate whose confirmation is awaited."""
    transaction = exchange.begun
    record = exchange.issued
    if record is None:
        raise CMPFailure(FailInfo.systemFailure, "the transaction has lost its certificate")
    if exchange.now > transaction.expires or record.state is CertificateState.REJECTED:
        raise CMPFailure(FailInfo.badRequest, "the time to confirm is over, the certificate was rejected")
    if record.state is not CertificateState.UNCONFIRMED:
        raise CMPFailure(FailInfo.certRevoked, "the certificate was revoked meanwhile")
    return record


def _hash(exchange: Exchange, record: Certificate, status: dict[str, Any]) -> bytes:
    """The hash of the certificate as certHash has to give it (RFC 9810, section 5.3.18)."""
    named = status.get("hashAlg")
    if named is not None:
        if exchange.message.header.pvno < CMP2021:
            raise CMPFailure(FailInfo.badRequest, "hashAlg requires pvno 3")
        return hashing.digest(_named_hash(named), record.der)
    own = signature.certificate_hash(x509.load_der_x509_certificate(record.der))
    if own is None:
        raise CMPFailure(
            FailInfo.badCertId, "hashAlg is missing, and the certificate's signature algorithm has no hash"
        )
    value = hashing.digest(own, record.der)
    short = own == "SHAKE256" and len(status["certHash"]) == SHORT_SHAKE256
    return value[:SHORT_SHAKE256] if short else value


def _named_hash(der: bytes) -> str:
    try:
        return signature.hash_algorithm(parse_algorithm(der))
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "hashAlg is not an AlgorithmIdentifier", detail=str(error)
        ) from None


def _done(exchange: Exchange, record: Certificate | None) -> HandlerResult:
    return HandlerResult(Body.PKICONF, PKICONF_VALUE, state=TransactionState.CLOSED, certificate=record)


register(BodyType(Body.CERTCONF, Event.CONFIRM, confirm, Operation.CERTCONF, Body.PKICONF))
register(BodyType(Body.ERROR, Event.ERROR, abort, Operation.ERROR, Body.PKICONF))
