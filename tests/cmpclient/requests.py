"""The bodies a client sends (RFC 9810, section 5.3; RFC 4211), as `RawBody` has them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmpd.cmp.wire import schema
from tests.cmpclient import algorithms
from tests.cmpclient.message import OMIT, Body, general_name

OLD_CERT_ID = "1.3.6.1.5.5.7.5.1.5"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
REASON_CODE = "2.5.29.21"

Extensions = Sequence[x509.ExtensionType | x509.Extension[Any]]


def as_name(name: str | x509.Name) -> x509.Name:
    """A Name, of RFC 4514 text where it is text."""
    return x509.Name.from_rfc4514_string(name) if isinstance(name, str) else name


def subject_public_key_info(key: PrivateKeyTypes) -> dict[str, Any]:
    """The key's SubjectPublicKeyInfo, as the raw views have it."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    value: dict[str, Any] = schema.decode("RawSubjectPublicKeyInfo", der)
    return value


def encoded_extension(extension: x509.ExtensionType | x509.Extension[Any]) -> bytes:
    """DER of an Extension, not critical where it does not say."""
    critical, value = False, extension
    if isinstance(extension, x509.Extension):
        critical, value = extension.critical, extension.value
    assert isinstance(value, x509.ExtensionType)
    return schema.encode(
        "Extension",
        {"extnID": value.oid.dotted_string, "critical": critical, "extnValue": value.public_bytes()},
    )


def template(
    key: PrivateKeyTypes | None,
    subject: str | x509.Name | None,
    *,
    extensions: Extensions = (),
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A CertTemplate; `changes` are fields of `RawCertTemplate`, OMIT leaves one out."""
    value: dict[str, Any] = {}
    validity = {"notBefore": not_before, "notAfter": not_after}
    if not_before or not_after:
        value["validity"] = {field: ("generalTime", time) for field, time in validity.items() if time}
    if subject is not None:
        value["subject"] = as_name(subject).public_bytes()
    if key is not None:
        value["publicKey"] = subject_public_key_info(key)
    if extensions:
        value["extensions"] = [encoded_extension(each) for each in extensions]
    value.update(changes)
    return {field: content for field, content in value.items() if content is not OMIT}


def popo(key: PrivateKeyTypes, data: bytes, digest: str = "sha256", *, pss: bool = False) -> Any:
    """Proof of possession by signature over `data`, the DER of the CertRequest."""
    signature = algorithms.sign(key, data, digest, pss=pss)
    algorithm = algorithms.signature_algorithm(key, digest, pss=pss)
    return (
        "signature",
        {
            "algorithmIdentifier": schema.encode("AlgorithmIdentifier", algorithm),
            "signature": (signature, 8 * len(signature)),
        },
    )


def certificate_request(
    key: PrivateKeyTypes,
    subject: str | x509.Name | None = "CN=device",
    *,
    cert_req_id: int = 0,
    proof: Any = "signature",
    digest: str = "sha256",
    pss: bool = False,
    controls: Mapping[str, bytes] | None = None,
    reg_info: Mapping[str, bytes] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """A CertReqMsg.

    `proof` is "signature", None for none, or a ProofOfPossession as `RawProofOfPossession` has it, such as
    ("raVerified", None). `controls` and `reg_info` map OIDs to DER. `fields` are those of `template`.
    """
    request: dict[str, Any] = {"certReqId": cert_req_id, "certTemplate": template(key, subject, **fields)}
    if controls:
        request["controls"] = [{"type": oid, "value": value} for oid, value in controls.items()]
    der = schema.encode("RawCertRequest", request)
    message: dict[str, Any] = {"certReq": der}
    if proof is not None:
        message["popo"] = popo(key, der, digest, pss=pss) if proof == "signature" else proof
    if reg_info:
        message["regInfo"] = [{"type": oid, "value": value} for oid, value in reg_info.items()]
    return message


def old_certificate(certificate: x509.Certificate) -> dict[str, bytes]:
    """The oldCertID control of a key update (RFC 4211, section 6.5)."""
    issuer = ("directoryName", certificate.issuer.public_bytes())
    value = {"issuer": issuer, "serialNumber": certificate.serial_number}
    return {OLD_CERT_ID: schema.encode("RawCertId", value)}


def pkcs10(
    key: PrivateKeyTypes,
    subject: str | x509.Name = "CN=device",
    *,
    extensions: Extensions = (),
    digest: str = "sha256",
    **changes: Any,
) -> Body:
    """A p10cr; `changes` are fields of `RawCertificationRequestInfo`."""
    attributes = []
    if extensions:
        asked = schema.encode("RawExtensions", [encoded_extension(each) for each in extensions])
        attributes.append({"type": EXTENSION_REQUEST, "values": [asked]})
    info = {
        "version": 0,
        "subject": as_name(subject).public_bytes(),
        "subjectPKInfo": subject_public_key_info(key),
        "attributes": attributes,
        **changes,
    }
    der = schema.encode("RawCertificationRequestInfo", info)
    signature = algorithms.sign(key, der, digest)
    algorithm = algorithms.signature_algorithm(key, digest)
    return (
        "p10cr",
        {
            "certificationRequestInfo": der,
            "signatureAlgorithm": schema.encode("AlgorithmIdentifier", algorithm),
            "signature": (signature, 8 * len(signature)),
        },
    )


def confirmation(
    certificate: x509.Certificate | None,
    *,
    cert_req_id: int = 0,
    digest: str | None = None,
    rejected: bool = False,
    **changes: Any,
) -> Body:
    """A certConf (RFC 9810, section 5.3.18).

    The hash is that of the certificate's signature, or `digest` (which puts hashAlg in). None as the
    certificate makes an empty certConf, which rejects all. `changes` are fields of `RawCertStatus`.
    """
    if certificate is None:
        return ("certConf", [])
    used = digest or getattr(certificate.signature_hash_algorithm, "name", None) or "sha512"
    der = certificate.public_bytes(Encoding.DER)
    status: dict[str, Any] = {"certHash": hashlib.new(used, der).digest(), "certReqId": cert_req_id}
    if rejected:
        status["statusInfo"] = {"status": 2, "statusString": ["not what was asked for"]}
    if digest is not None:
        hashed = algorithms.identifier(algorithms.HASHES[digest])
        status["hashAlg"] = schema.encode("AlgorithmIdentifier", hashed)
    status.update(changes)
    return ("certConf", [{field: value for field, value in status.items() if value is not OMIT}])


def revocation(
    issuer: x509.Name | bytes,
    serial_number: int,
    reason: int | None = None,
    **changes: Any,
) -> Body:
    """An rr of one certificate (RFC 9810, section 5.3.9); `changes` are fields of `RawCertTemplate`."""
    asked: dict[str, Any] = {
        "serialNumber": serial_number,
        "issuer": issuer if isinstance(issuer, bytes) else issuer.public_bytes(),
    }
    details: dict[str, Any] = {"certDetails": template(None, None, **(asked | changes))}
    if reason is not None:
        name = {flag: text for text, flag in CRL_REASONS.items()}[reason]
        entry = {"extnID": REASON_CODE, "critical": False, "extnValue": schema.encode("CRLReason", name)}
        details["crlEntryDetails"] = [entry]
    return ("rr", [details])


CRL_REASONS = {
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


def poll_request(cert_req_id: int = 0) -> Body:
    """A pollReq (RFC 9810, section 5.3.22)."""
    return ("pollReq", [{"certReqId": cert_req_id}])


def general_message(*asked: str | tuple[str, bytes]) -> Body:
    """A genm of OIDs, each alone or with its value's DER (RFC 9810, section 5.3.19)."""
    return (
        "genm",
        [
            {"infoType": each} if isinstance(each, str) else {"infoType": each[0], "infoValue": each[1]}
            for each in asked
        ],
    )


def error(text: str, *, status: int = 2) -> Body:
    """An error message as a client sends one to end a transaction."""
    return ("error", {"pKIStatusInfo": {"status": status, "statusString": [text]}})


def nested(*messages: bytes) -> Body:
    """Messages wrapped by an RA (RFC 9810, section 5.1.3.4)."""
    return ("nested", list(messages))


def challenge_response(*numbers: int) -> Body:
    """A popdecr (RFC 9810, section 5.2.8.3)."""
    return ("popdecr", list(numbers))


def sender_name(name: str | x509.Name) -> bytes:
    """DER of the GeneralName of a name, for fields that take one."""
    return general_name(as_name(name))
