"""certConf and error from the client: how an enrolment ends (RFC 9810, sections 5.3.18 and 5.3.21)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from cryptography import x509

from cmpd.clm.model import Certificate, CertificateState, TransactionState
from cmpd.cmp.checks import CMP2021
from cmpd.cmp.exchange import Answer, Exchange
from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.message import Body
from cmpd.cmp.status import is_accepted

HASHES: dict[str, Callable[[bytes], bytes]] = {
    "1.3.14.3.2.26": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "2.16.840.1.101.3.4.2.4": lambda data: hashlib.sha224(data).digest(),
    "2.16.840.1.101.3.4.2.1": lambda data: hashlib.sha256(data).digest(),
    "2.16.840.1.101.3.4.2.2": lambda data: hashlib.sha384(data).digest(),
    "2.16.840.1.101.3.4.2.3": lambda data: hashlib.sha512(data).digest(),
    "2.16.840.1.101.3.4.2.8": lambda data: hashlib.sha3_256(data).digest(),
    "2.16.840.1.101.3.4.2.9": lambda data: hashlib.sha3_384(data).digest(),
    "2.16.840.1.101.3.4.2.10": lambda data: hashlib.sha3_512(data).digest(),
    "2.16.840.1.101.3.4.2.12": lambda data: hashlib.shake_256(data).digest(64),
}
"""hashAlg of CertStatus → the hash."""

OWN_HASH: dict[str, str] = {
    "1.3.101.112": "2.16.840.1.101.3.4.2.3",
    "1.3.101.113": "2.16.840.1.101.3.4.2.12",
}
"""Ed25519 and Ed448 sign without a hash of their own; RFC 9481, section 3.3 gives them one here."""

PKICONF_VALUE = None


async def confirm(exchange: Exchange) -> Answer:
    """certConf → pkiconf. The certificate is active afterwards, or rejected.

    A rejection is an empty CertConfirmContent or a statusInfo that says so (RFC 9810, section 5.3.18).
    """
    record = await _awaiting(exchange)
    statuses: list[dict[str, Any]] = exchange.message.content
    if len(statuses) > 1:
        raise CMPFailure(FailInfo.badRequest, "certConf answers more certificates than were issued")
    transaction = exchange.transaction
    assert transaction is not None  # noqa: S101 - the state machine's word
    if not statuses:
        exchange.clm.reject(record, exchange.unit, why="empty certConf", actor=exchange.party.actor)
        return _done(exchange, record)
    status = statuses[0]
    known = {0, -1} if transaction.body == Body.P10CR else {0}
    if status["certReqId"] not in known:
        raise CMPFailure(FailInfo.badRequest, f"certReqId {status['certReqId']} is none that was answered")
    if not hmac.compare_digest(status["certHash"], _hash(exchange, record, status)):
        raise CMPFailure(FailInfo.badCertId, "certHash matches no certificate of this transaction")
    info = status.get("statusInfo")
    if is_accepted(info):
        await exchange.clm.confirm(exchange.served, record, exchange.unit)
    else:
        why = " ".join((info or {}).get("statusString", ())) or "the client rejects it"
        exchange.clm.reject(record, exchange.unit, why=why, actor=exchange.party.actor)
    return _done(exchange, record)


async def abort(exchange: Exchange) -> Answer:
    """error from the client → pkiconf: the transaction ends, an unconfirmed certificate is rejected
    (RFC 9483, section 3.6.4)."""
    transaction = exchange.transaction
    assert transaction is not None  # noqa: S101 - the state machine's word
    if transaction.state is TransactionState.CONFIRMING:
        record = await _awaiting(exchange)
        exchange.clm.reject(record, exchange.unit, why="error from the client", actor=exchange.party.actor)
        return _done(exchange, record)
    return _done(exchange, None)


async def _awaiting(exchange: Exchange) -> Certificate:
    """The certificate whose confirmation is awaited."""
    transaction = exchange.transaction
    assert transaction is not None  # noqa: S101 - the state machine's word
    if transaction.ca is None or transaction.serial is None:
        raise CMPFailure(FailInfo.systemFailure, "the transaction has lost its certificate")
    record = await exchange.clm.certificate(transaction.ca, transaction.serial)
    if record is None:
        raise CMPFailure(FailInfo.systemFailure, "the transaction has lost its certificate")
    if exchange.now > transaction.expires or record.state is CertificateState.REJECTED:
        raise CMPFailure(FailInfo.badRequest, "the time to confirm is over, the certificate was taken back")
    if record.state is not CertificateState.UNCONFIRMED:
        raise CMPFailure(FailInfo.certRevoked, "the certificate was revoked meanwhile")
    return record


def _hash(exchange: Exchange, record: Certificate, status: dict[str, Any]) -> bytes:
    """The hash of the certificate as certHash has to give it (RFC 9810, section 5.3.18)."""
    named = status.get("hashAlg")
    if named is not None:
        if exchange.message.header.pvno < CMP2021:
            raise CMPFailure(FailInfo.badRequest, "hashAlg takes pvno 3")
        oid = named["algorithm"]
        if oid not in HASHES:
            raise CMPFailure(FailInfo.badAlg, f"hashAlg {oid} is not supported")
        return HASHES[oid](record.der)
    certificate = x509.load_der_x509_certificate(record.der)
    try:
        own = certificate.signature_hash_algorithm
    except ValueError:
        own = None
    if own is not None:
        return hashlib.new(own.name, record.der).digest()
    substitute = OWN_HASH.get(certificate.signature_algorithm_oid.dotted_string)
    if substitute is None:
        raise CMPFailure(
            FailInfo.badCertId, "hashAlg is missing, and the certificate's signature algorithm has no hash"
        )
    return HASHES[substitute](record.der)


def _done(exchange: Exchange, record: Certificate | None) -> Answer:
    return Answer(Body.PKICONF, PKICONF_VALUE, state=TransactionState.CLOSED, certificate=record)


