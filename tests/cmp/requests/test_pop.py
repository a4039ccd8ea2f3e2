"""Proof of possession by signature (RFC 4211, section 4.1; RFC 9810, section 5.2.8.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmpd.cmp.protection import signature
from cmpd.cmp.requests import pop
from cmpd.cmp.wire import message, schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.general_names import directory_name
from tests.clm.pki import key, name
from tests.cmp.protection import openssl

if TYPE_CHECKING:
    from pathlib import Path

SENDER = directory_name(name("device").public_bytes())
SUBJECT = name("device").public_bytes()


def public_key_info(holder: Any) -> dict[str, Any]:
    der = holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    value: dict[str, Any] = schema.decode("RawSubjectPublicKeyInfo", der)
    return value


def cert_request(template: dict[str, Any]) -> bytes:
    return schema.encode("RawCertRequest", {"certReqId": 0, "certTemplate": template})


def template(holder: Any, **changes: Any) -> dict[str, Any]:
    value = {"subject": SUBJECT, "publicKey": public_key_info(holder), **changes}
    return {field: content for field, content in value.items() if content is not None}


def signed(holder: Any, data: bytes, **changes: Any) -> tuple[str, Any]:
    identifier, sign = signature.signer_algorithm(holder)
    made = sign(data)
    return "signature", {"algorithmIdentifier": identifier, "signature": (made, 8 * len(made)), **changes}


def key_input(holder: Any, **changes: Any) -> dict[str, Any]:
    return {"authInfo": ("sender", SENDER), "publicKey": public_key_info(holder), **changes}


def refused(*arguments: Any) -> CMPFailure:
    with pytest.raises(CMPFailure) as raised:
        pop.verify(*arguments)
    return raised.value


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448", "ML-DSA-65"])
def test_the_new_key_signs_the_cert_request(kind: str) -> None:
    holder, asked = key(kind), template(key(kind))
    pop.verify(signed(holder, cert_request(asked)), cert_request(asked), asked, holder.public_key())


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519", "Ed448", "ML-DSA-65"])
def test_a_signature_over_another_request_is_badPOP(kind: str) -> None:
    holder, asked = key(kind), template(key(kind))
    other = cert_request(template(holder, subject=name("other").public_bytes()))
    failure = refused(signed(holder, other), cert_request(asked), asked, holder.public_key())
    assert failure.fail_info is FailInfo.badPOP


def test_a_signature_with_another_key_is_badPOP() -> None:
    asked = template(key("P-256"))
    popo = signed(key("P-256", 1), cert_request(asked))
    assert refused(popo, cert_request(asked), asked, key("P-256").public_key()).fail_info is FailInfo.badPOP


def test_an_algorithm_that_does_not_fit_the_key_is_badAlg() -> None:
    asked = template(key("P-256"))
    popo = signed(key("RSA"), cert_request(asked))
    assert refused(popo, cert_request(asked), asked, key("P-256").public_key()).fail_info is FailInfo.badAlg


def test_sha1_is_badAlg() -> None:
    asked = template(key("RSA"))
    _, value = signed(key("RSA"), cert_request(asked))
    sha1 = schema.encode("AlgorithmIdentifier", {"algorithm": "1.2.840.113549.1.1.5"})
    popo = ("signature", {**value, "algorithmIdentifier": sha1})
    assert refused(popo, cert_request(asked), asked, key("RSA").public_key()).fail_info is FailInfo.badAlg


OTHERS = [
    (None, FailInfo.badPOP),
    (("raVerified", None), FailInfo.notAuthorized),
    (("keyEncipherment", ("subsequentMessage", 0)), FailInfo.badPOP),
    (("keyAgreement", ("subsequentMessage", 1)), FailInfo.badPOP),
]


@pytest.mark.parametrize(("popo", "expected"), OTHERS)
def test_any_other_proof_is_refused(popo: Any, expected: FailInfo) -> None:
    asked = template(key("P-256"))
    failure = refused(popo, cert_request(asked), asked, key("P-256").public_key())
    assert failure.fail_info is expected


def test_a_signature_with_unused_bits_is_badPOP() -> None:
    asked = template(key("Ed25519"))
    _, value = signed(key("Ed25519"), cert_request(asked))
    popo = ("signature", {**value, "signature": (value["signature"][0], 511)})
    failure = refused(popo, cert_request(asked), asked, key("Ed25519").public_key())
    assert failure.fail_info is FailInfo.badPOP


def test_what_is_no_algorithm_is_badDataFormat() -> None:
    asked = template(key("P-256"))
    popo = ("signature", {"algorithmIdentifier": b"\x05\x00", "signature": (b"", 0)})
    failure = refused(popo, cert_request(asked), asked, key("P-256").public_key())
    assert failure.fail_info is FailInfo.badDataFormat


def input_signed(holder: Any, value: dict[str, Any]) -> tuple[str, Any]:
    return signed(holder, schema.encode("RawPOPOSigningKeyInput", value), poposkInput=value)


def test_without_a_subject_poposkInput_is_signed() -> None:
    holder = key("P-256")
    asked = template(holder, subject=None)
    popo = input_signed(holder, key_input(holder))
    pop.verify(popo, cert_request(asked), asked, holder.public_key(), SENDER)


def test_what_poposkInput_signs_is_a_sequence() -> None:
    assert schema.encode("RawPOPOSigningKeyInput", key_input(key("P-256")))[0] == 0x30


OTHER_SENDER = directory_name(name("other").public_bytes())
MAC = {
    "algId": schema.encode("AlgorithmIdentifier", {"algorithm": "1.2.840.113533.7.66.13"}),
    "value": (b"", 0),
}

INPUTS: list[tuple[str, dict[str, Any], dict[str, Any], bytes | None]] = [
    ("both subject and publicKey in the template", {}, {}, SENDER),
    ("another key", {"subject": None}, {"publicKey": public_key_info(key("P-256", 1))}, SENDER),
    ("another sender", {"subject": None}, {"authInfo": ("sender", OTHER_SENDER)}, SENDER),
    ("a sender nobody authenticated", {"subject": None}, {}, None),
    ("publicKeyMAC", {"subject": None}, {"authInfo": ("publicKeyMAC", MAC)}, SENDER),
]


@pytest.mark.parametrize(
    ("in_template", "in_input", "sender"), [row[1:] for row in INPUTS], ids=[row[0] for row in INPUTS]
)
def test_a_poposkInput_that_does_not_belong_is_badPOP(
    in_template: dict[str, Any], in_input: dict[str, Any], sender: bytes | None
) -> None:
    holder = key("P-256")
    asked = template(holder, **in_template)
    popo = input_signed(holder, key_input(holder, **in_input))
    failure = refused(popo, cert_request(asked), asked, holder.public_key(), sender)
    assert failure.fail_info is FailInfo.badPOP


def test_a_missing_poposkInput_is_badPOP() -> None:
    holder = key("P-256")
    asked = template(holder, subject=None)
    failure = refused(
        signed(holder, cert_request(asked)), cert_request(asked), asked, holder.public_key(), SENDER
    )
    assert failure.fail_info is FailInfo.badPOP
    assert "poposkInput" in failure.text


def pkcs10(holder: Any) -> dict[str, Any]:
    function = hashes.SHA256() if isinstance(holder, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("device"))
    der = builder.sign(holder, function).public_bytes(Encoding.DER)
    value: dict[str, Any] = schema.decode("RawCertificationRequest", der)
    return value


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448", "ML-DSA-65"])
def test_a_pkcs10_request_signs_itself(kind: str) -> None:
    pop.verify_pkcs10(pkcs10(key(kind)), key(kind).public_key())


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
def test_a_pkcs10_request_with_a_bit_changed_is_badPOP(kind: str) -> None:
    request = pkcs10(key(kind))
    made, bits = request["signature"]
    request["signature"] = (made[:-1] + bytes([made[-1] ^ 1]), bits)
    with pytest.raises(CMPFailure) as raised:
        pop.verify_pkcs10(request, key(kind).public_key())
    assert raised.value.fail_info is FailInfo.badPOP


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521"])
def test_what_openssl_proves_verifies(tmp_path: Path, kind: str) -> None:
    request = message.parse(openssl.with_password(tmp_path, key(kind)))
    item = request.content[0]
    asked = schema.decode("RawCertRequest", item["certReq"])["certTemplate"]
    pop.verify(item["popo"], item["certReq"], asked, key(kind).public_key())


def test_what_openssl_sends_as_p10cr_verifies(tmp_path: Path) -> None:
    csr = tmp_path / "request.csr"
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("device"))
    csr.write_bytes(builder.sign(key("P-256"), hashes.SHA256()).public_bytes(Encoding.PEM))
    options = ("-ref", openssl.REFERENCE, "-secret", f"pass:{openssl.SECRET}", "-csr", str(csr))
    request = message.parse(openssl.request(tmp_path, key("P-256"), *options, command="p10cr"))
    pop.verify_pkcs10(request.content, key("P-256").public_key())
