"""What kur adds to an enrolment (RFC 9810, section 5.3.5; RFC 9483, section 4.1.3)."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509

from cmpd.clm.model import Certificate, CertificateState
from cmpd.cmp.handlers.beneficiary import subject_alternative_names
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.party import Capacity
from cmpd.cmp.requests.cert_request import CertRequest
from cmpd.cmp.transaction.exchange import Exchange
from cmpd.cmp.wire.failure import CMPFailure, FailInfo


async def replaced(exchange: Exchange, cert_request: CertRequest) -> Certificate:
    """The certificate that is updated: the protection certificate, which oldCertID may repeat; or, where
    an RA asks, the one oldCertID names. Raises CMPFailure, where the party is not granted its update, too."""
    own, named = exchange.party.record, cert_request.old_certificate
    if named is not None and not (own is not None and _names(named, own)):
        own = await _others(exchange, named)
    elif own is None:
        if exchange.party.capacity is not Capacity.RA:
            exchange.require(Operation.KUR, Target.OTHERS)
            raise CMPFailure(FailInfo.badCertId, "there is no certificate to update")
        raise CMPFailure(
            FailInfo.notAuthorized,
            "a key update requires oldCertID, or the signature of a certificate that this server issued",
        )
    _check_window(exchange, own)
    if cert_request.key_hash == own.key_hash and not exchange.compiled.policy.same_key_renewal:
        raise CMPFailure(
            FailInfo.badCertTemplate,
            "publicKey: it is that of the certificate being updated, a new one is due",
        )
    return own


def _names(named: tuple[bytes, int], record: Certificate) -> bool:
    issuer, serial = named
    if serial != record.serial:
        return False
    return issuer == x509.load_der_x509_certificate(record.der).issuer.public_bytes()


async def _others(exchange: Exchange, named: tuple[bytes, int]) -> Certificate:
    """The certificate that oldCertID names, which protects nothing here: for RAs alone, others are told
    nothing of it."""
    if exchange.party.capacity is not Capacity.RA:
        exchange.require(Operation.KUR, Target.OTHERS)
    old = await exchange.clm.issued.by_issuer(*named)
    if old is None:
        raise CMPFailure(FailInfo.badCertId, "oldCertID does not name a certificate that this server issued")
    certificate = x509.load_der_x509_certificate(old.der)
    exchange.require(
        Operation.KUR,
        Target.CAS if old.policy is None else Target.OTHERS,
        record=old,
        subject=certificate.subject,
        names=subject_alternative_names(certificate.extensions),
    )
    _check_standing(exchange, old)
    return old


def completed(exchange: Exchange, cert_request: CertRequest, old: Certificate) -> CertRequest:
    """The certificate request with the old certificate's subject and SAN where it leaves them out.

    Raises CMPFailure where it wants others and the policy does not let it.
    """
    certificate = x509.load_der_x509_certificate(old.der)
    request = cert_request.request
    if not list(request.subject):
        request = replace(request, subject=certificate.subject)
    old_san = _san(certificate.extensions)
    new_san = _san(request.extensions)
    if new_san is None and old_san is not None:
        request = replace(request, extensions=x509.Extensions([*request.extensions, old_san]))
        new_san = old_san
    if not exchange.compiled.policy.update_may_change_subject:
        if request.subject != certificate.subject:
            raise CMPFailure(FailInfo.badCertTemplate, "subject: a key update keeps the old certificate's")
        if (old_san.value if old_san else None) != (new_san.value if new_san else None):
            raise CMPFailure(
                FailInfo.badCertTemplate, "subjectAltName: a key update keeps the old certificate's"
            )
    return replace(cert_request, request=request)


def _san(extensions: x509.Extensions) -> x509.Extension[x509.SubjectAlternativeName] | None:
    try:
        return extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None


def _check_standing(exchange: Exchange, old: Certificate) -> None:
    if old.state is not CertificateState.ACTIVE:
        raise CMPFailure(FailInfo.certRevoked, "the certificate to be updated is revoked or not confirmed")
    if old.not_after < exchange.now:
        raise CMPFailure(FailInfo.badCertId, "the certificate to be updated is expired")


def _check_window(exchange: Exchange, old: Certificate) -> None:
    window = exchange.compiled.policy.renewal_window
    if window is not None and exchange.now < old.not_after - window:
        raise CMPFailure(
            FailInfo.notAuthorized,
            f"too early: under this policy a certificate is updated in its last {window // 86400} days",
        )
