"""What an enrolment message asks for, free of its syntax (RFC 4211, sections 3 to 6; RFC 2986).

A CertTemplate is rewritten in the shape of a PKCS #10 request, so that one parser, `cryptography`'s,
reads subject, key and extensions, whether they came in CRMF or in PKCS #10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.pkix.algorithms import SIGNATURES
from cmpd.clm.pkix.unreadable import UNREADABLE
from cmpd.cmp.requests import decryption, pop
from cmpd.cmp.wire import oids, schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Body, Message, parse_algorithm
from cmpd.cmp.wire.schema import DecodeError
from cmpd.records import quick_dataclass
from cmpd.times import seconds_of

if TYPE_CHECKING:
    from cmpd.cmp.protection import PrivateKey

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
"""id-extensionRequest (RFC 2985, section 5.4.2)."""
OLD_CERT_ID = "1.3.6.1.5.5.7.5.1.5"
"""id-regCtrl-oldCertID (RFC 4211, section 6.5)."""
NO_SIGNATURE = {"algorithm": SIGNATURES["ecdsa-with-SHA256"].oid}
"""Stands where nothing signed a PKCS #10 shape; nobody verifies it."""
FORBIDDEN = ("serialNumber", "signingAlg", "issuerUID", "subjectUID")
"""Fields of CertTemplate that are the CA's to fill (RFC 9483, section 4.1.1)."""
VERSION_3 = 2
CRMF_ID = 0
"""The certReqId of the one request there is (RFC 9483, section 4.1.1)."""


@quick_dataclass(frozen=True, slots=True)
class CertRequest:
    """One certificate asked for."""

    id: int
    """certReqId; -1 for p10cr (RFC 9483, section 4.1.4)."""
    request: CertificateRequest
    key_hash: bytes
    """SHA-256 of the SubjectPublicKeyInfo."""
    ra_verified: bool
    prove: Callable[[], None]
    """Verifies the proof of possession; raises CMPFailure."""
    old_certificate: tuple[bytes, int] | None = None
    """The oldCertID control: (DER of the issuer's Name, serial number)."""
    deferred_pop: decryption.DeferredPOP | None = None
    """Where possession is to be proved by decryption, how."""
    generated: PrivateKey | None = field(default=None, repr=False)
    """Where the key pair was made here, its private half."""


@quick_dataclass(frozen=True, slots=True)
class KeyGenRequest:
    """One certificate asked for together with its key pair (RFC 9483, section 4.1.6)."""

    id: int
    algorithm: bytes | None
    """DER of the AlgorithmIdentifier of the key that is asked for; None: the choice is left to the server."""
    controls: dict[str, bytes]
    """OID → DER of its value; the first of each type."""
    prove: Callable[[], None]
    """Sees that there is no proof of possession; raises CMPFailure."""
    with_key: Callable[[PrivateKey], CertRequest]
    """The certificate request for a key made for it."""


def read_cert_request(message: Message) -> CertRequest | KeyGenRequest:
    """The one certificate request of an ir, cr, kur or p10cr. Raises CMPFailure."""
    if message.tag == Body.P10CR:
        return _read_pkcs10(message)
    requests: list[dict[str, Any]] = message.content
    if len(requests) != 1:
        raise CMPFailure(
            FailInfo.badRequest, f"{message.kind} holds {len(requests)} CertReqMsgs, one is expected"
        )
    return _read_crmf(requests[0], message.header.sender)


def _read_crmf(item: dict[str, Any], sender: bytes) -> CertRequest | KeyGenRequest:
    raw = bytes(item["certReq"])
    try:
        cert_req = schema.decode("RawCertRequest", raw)
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "the CertReqMsg does not contain a CertRequest", detail=str(error)
        ) from None
    if cert_req["certReqId"] != CRMF_ID:
        raise CMPFailure(FailInfo.badRequest, f"certReqId is {cert_req['certReqId']}, 0 is expected")
    template = cert_req["certTemplate"]
    _check_template(template)
    popo = item.get("popo")
    controls = cert_req.get("controls", ())
    if _lacks_key(template):
        return _keyless(template, popo, controls)
    request, key_hash = _request(_as_pkcs10(template), template.get("validity"))
    deferred_pop = decryption.deferred(popo)
    if deferred_pop is not None:
        request = deferred_pop.completed(request)

    def prove() -> None:
        if deferred_pop is not None:
            deferred_pop.check(request.public_key)
        else:
            pop.verify(popo, raw, template, request.public_key, sender)

    return CertRequest(
        id=CRMF_ID,
        request=request,
        key_hash=key_hash,
        ra_verified=popo is not None and popo[0] == "raVerified",
        prove=prove,
        old_certificate=_old_certificate(controls),
        deferred_pop=deferred_pop,
    )


def _lacks_key(template: dict[str, Any]) -> bool:
    """Whether publicKey is absent, or an algorithm alone."""
    return "publicKey" not in template or not template["publicKey"]["subjectPublicKey"][1]


def _keyless(template: dict[str, Any], popo: tuple[str, Any] | None, controls: Any) -> KeyGenRequest:
    def prove() -> None:
        if popo is not None and popo[0] != "raVerified":  # which Bouncy Castle 1.86 says where none is set
            raise CMPFailure(
                FailInfo.badPOP, f"popo {popo[0]} has nothing to prove: certTemplate contains no public key"
            )

    def with_key(key: PrivateKey) -> CertRequest:
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        keyed = {**template, "publicKey": schema.decode("RawSubjectPublicKeyInfo", der)}
        request, key_hash = _request(_as_pkcs10(keyed), template.get("validity"))
        return CertRequest(
            id=CRMF_ID,
            request=request,
            key_hash=key_hash,
            ra_verified=False,
            prove=prove,
            old_certificate=_old_certificate(controls),
            generated=key,
        )

    values = {control["type"]: bytes(control["value"]) for control in reversed(controls)}
    algorithm = template["publicKey"]["algorithm"] if "publicKey" in template else None
    return KeyGenRequest(
        CRMF_ID, bytes(algorithm) if algorithm is not None else None, values, prove, with_key
    )


def _read_pkcs10(message: Message) -> CertRequest:
    try:
        der = schema.encode("RawCertificationRequest", message.content)
        parsed = x509.load_der_x509_csr(der)
    except UNREADABLE as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "the p10cr is not a PKCS #10 request", detail=str(error)
        ) from None
    request, key_hash = _request(parsed, None)

    def prove() -> None:
        pop.verify_pkcs10(message.content, request.public_key)

    return CertRequest(id=-1, request=request, key_hash=key_hash, ra_verified=False, prove=prove)


def _check_template(template: dict[str, Any]) -> None:
    if template.get("version", VERSION_3) != VERSION_3:
        raise CMPFailure(FailInfo.badCertTemplate, "version: 2 (v3) is expected, or none")
    for name in FORBIDDEN:
        if name in template:
            raise CMPFailure(FailInfo.badCertTemplate, f"{name}: it is not the requester's to choose")
    if "subject" not in template:
        raise CMPFailure(FailInfo.badCertTemplate, "subject: it is missing; it may be an empty name")


def _as_pkcs10(template: dict[str, Any]) -> x509.CertificateSigningRequest:
    """The template in the shape of a PKCS #10 request; nothing signed it."""
    attributes = []
    extensions = template.get("extensions")
    if extensions:
        value = schema.encode("RawExtensions", extensions)
        attributes.append({"type": EXTENSION_REQUEST, "values": [value]})
    info = schema.encode(
        "RawCertificationRequestInfo",
        {
            "version": 0,
            "subject": template["subject"],
            "subjectPKInfo": template["publicKey"],
            "attributes": attributes,
        },
    )
    unsigned = {
        "certificationRequestInfo": info,
        "signatureAlgorithm": _no_signature(),
        "signature": (b"", 0),
    }
    try:
        return x509.load_der_x509_csr(schema.encode("RawCertificationRequest", unsigned))
    except UNREADABLE as error:
        raise CMPFailure(
            FailInfo.badCertTemplate, "subject or publicKey cannot be read", detail=str(error)
        ) from None


@cache
def _no_signature() -> bytes:
    return schema.encode("RawAlgorithmIdentifier", NO_SIGNATURE)


def _request(
    parsed: x509.CertificateSigningRequest, validity: dict[str, Any] | None
) -> tuple[CertificateRequest, bytes]:
    try:
        public_key = parsed.public_key()
        spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UNREADABLE as error:
        raise CMPFailure(
            FailInfo.badCertTemplate, "publicKey: no key of a supported kind", detail=str(error)
        ) from None
    _check_algorithm(parsed.tbs_certrequest_bytes, spki)
    try:
        extensions = parsed.extensions
        subject = parsed.subject
    except UNREADABLE as error:
        raise CMPFailure(
            FailInfo.badCertTemplate, f"extensions or subject: {error}", detail=repr(error)
        ) from None
    request = CertificateRequest(
        subject=subject,
        public_key=public_key,
        extensions=extensions,
        not_before=_time(validity, "notBefore"),
        not_after=_time(validity, "notAfter"),
    )
    return request, hashlib.sha256(spki).digest()


def _check_algorithm(info: bytes, spki: bytes) -> None:
    """A certificate has the key's algorithm as it was asked for. `cryptography` takes a key that is bound to
    RSASSA-PSS (RFC 4055, section 1.2) for any RSA key, and would certify it as that."""
    if spki in info:
        return
    asked = schema.decode("RawCertificationRequestInfo", info)["subjectPKInfo"]["algorithm"]
    given = schema.decode("RawSubjectPublicKeyInfo", spki)["algorithm"]
    if parse_algorithm(asked).oid != parse_algorithm(given).oid:
        name = oids.name(parse_algorithm(asked).oid)
        raise CMPFailure(
            FailInfo.badCertTemplate, f"publicKey: keys for nothing but {name} are not certified"
        )


def _time(validity: dict[str, Any] | None, name: str) -> int | None:
    choice: tuple[str, datetime] | None = (validity or {}).get(name)
    return seconds_of(choice[1]) if choice else None


def _old_certificate(controls: Any) -> tuple[bytes, int] | None:
    for control in controls:
        if control["type"] != OLD_CERT_ID:
            continue
        try:
            value = schema.decode("RawCertId", control["value"])
        except DecodeError as error:
            raise CMPFailure(FailInfo.badDataFormat, "oldCertID is not a CertId", detail=str(error)) from None
        kind, issuer = value["issuer"]
        if kind != "directoryName":
            raise CMPFailure(FailInfo.badCertId, "oldCertID's issuer is not a directoryName")
        return bytes(issuer), value["serialNumber"]
    return None
