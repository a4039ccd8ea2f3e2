"""Signature protection (RFC 9481, section 3): what verifies, what fits which key, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from cmpd.cmp.protection import hashing, signature
from cmpd.cmp.wire import message, schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from tests.clm.pki import Plan, key, name
from tests.cmp.protection import openssl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RSA_SHA256 = "1.2.840.113549.1.1.11"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"
NULL = b"\x05\x00"


def algorithm(oid: str, parameters: bytes | None = None) -> message.Algorithm:
    value: dict[str, Any] = {"algorithm": oid}
    if parameters is not None:
        value["parameters"] = parameters
    return message.parse_algorithm(schema.encode("AlgorithmIdentifier", value))


def hash_identifier(name: str) -> dict[str, Any]:
    return {"algorithm": hashing.HASH_OIDS[name], "parameters": NULL}


def mgf(name: str, oid: str = MGF1) -> dict[str, Any]:
    return {
        "algorithm": oid,
        "parameters": schema.encode("AlgorithmIdentifier", hash_identifier(name)),
    }


def pss(**changes: Any) -> message.Algorithm:
    value = {
        "hashAlgorithm": hash_identifier("SHA-256"),
        "maskGenAlgorithm": mgf("SHA-256"),
        "saltLength": 32,
        **changes,
    }
    present = {field: content for field, content in value.items() if content is not None}
    return algorithm(PSS, schema.encode("RSASSA-PSS-params", present))


SUITING = [
    ("RSA", "sha256WithRSAEncryption"),
    ("P-256", "ecdsa-with-SHA256"),
    ("P-384", "ecdsa-with-SHA384"),
    ("P-521", "ecdsa-with-SHA512"),
    ("Ed25519", "Ed25519"),
    ("Ed448", "Ed448"),
    ("ML-DSA-44", "ML-DSA-44"),
    ("ML-DSA-65", "ML-DSA-65"),
    ("ML-DSA-87", "ML-DSA-87"),
]


@pytest.mark.parametrize(("kind", "suits"), SUITING)
def test_a_key_signs_in_the_algorithm_that_suits_it(kind: str, suits: str) -> None:
    identifier, sign = signature.signer_algorithm(key(kind))
    parsed = signature.parse(message.parse_algorithm(identifier))
    assert parsed.name == suits
    parsed.verify(key(kind).public_key(), sign(b"data"), b"data")


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("RSA", "sha384WithRSAEncryption"),
        ("RSA", "sha512WithRSAEncryption"),
        ("RSA", "RSASSA-PSS"),
    ],
)
def test_an_rsa_key_signs_in_the_algorithm_that_was_asked_in(kind: str, wanted: str) -> None:
    identifier, sign = signature.signer_algorithm(key(kind), wanted)
    parsed = signature.parse(message.parse_algorithm(identifier))
    assert parsed.name == wanted
    parsed.verify(key(kind).public_key(), sign(b"data"), b"data")


@pytest.mark.parametrize(
    ("kind", "asked", "suits"),
    [
        ("Ed25519", "sha256WithRSAEncryption", "Ed25519"),
        ("RSA", "ecdsa-with-SHA384", "sha256WithRSAEncryption"),
        ("RSA", "sha224WithRSAEncryption", "sha256WithRSAEncryption"),
        ("P-256", "ecdsa-with-SHA384", "ecdsa-with-SHA256"),
        ("P-521", "ecdsa-with-SHA256", "ecdsa-with-SHA512"),
    ],
)
def test_whatever_was_asked_in_other_keys_sign_in_what_suits_them(kind: str, asked: str, suits: str) -> None:
    identifier, _ = signature.signer_algorithm(key(kind), asked)
    assert signature.parse(message.parse_algorithm(identifier)).name == suits


def test_a_key_that_signs_in_no_known_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="EC secp256k1"):
        signature.signer_algorithm(key("secp256k1"))


@pytest.mark.parametrize("kind", [row[0] for row in SUITING])
@given(data=st.binary(max_size=64), where=st.integers(min_value=0))
def test_a_signature_with_a_bit_changed_is_badMessageCheck(kind: str, data: bytes, where: int) -> None:
    identifier, sign = signature.signer_algorithm(key(kind))
    parsed = signature.parse(message.parse_algorithm(identifier))
    made = bytearray(sign(data))
    made[where // 8 % len(made)] ^= 1 << where % 8
    with pytest.raises(CMPFailure) as raised:
        parsed.verify(key(kind).public_key(), bytes(made), data)
    assert raised.value.fail_info is FailInfo.badMessageCheck


@pytest.mark.parametrize("kind", [row[0] for row in SUITING])
@pytest.mark.parametrize("rubbish", [b"", b"\x00", b"\x30\x00", b"x" * 64, b"y" * 5000])
def test_rubbish_for_a_signature_is_badMessageCheck(kind: str, rubbish: bytes) -> None:
    identifier, _ = signature.signer_algorithm(key(kind))
    parsed = signature.parse(message.parse_algorithm(identifier))
    with pytest.raises(CMPFailure) as raised:
        parsed.verify(key(kind).public_key(), rubbish, b"data")
    assert raised.value.fail_info is FailInfo.badMessageCheck


MISFITS = [
    (algorithm(ECDSA_SHA256), "RSA"),
    (algorithm(ECDSA_SHA256), "secp256k1"),
    (algorithm(ECDSA_SHA256), "Ed25519"),
    (algorithm(RSA_SHA256, NULL), "P-256"),
    (algorithm(RSA_SHA256, NULL), "ML-DSA-44"),
    (pss(), "P-384"),
    (algorithm("1.3.101.112"), "Ed448"),
    (algorithm("1.3.101.113"), "Ed25519"),
    (algorithm("1.3.101.112"), "RSA"),
    (algorithm("2.16.840.1.101.3.4.3.17"), "ML-DSA-65"),
]


@pytest.mark.parametrize(("chosen", "kind"), MISFITS)
def test_an_algorithm_that_does_not_fit_the_key_is_badAlg(chosen: message.Algorithm, kind: str) -> None:
    with pytest.raises(CMPFailure, match="does not fit") as raised:
        signature.parse(chosen).verify(key(kind).public_key(), b"\x00" * 64, b"data")
    assert raised.value.fail_info is FailInfo.badAlg


@pytest.mark.parametrize(
    "numbers",
    [rsa.RSAPublicNumbers(65537, (1 << 16000) + 1), rsa.RSAPublicNumbers((1 << 2000) + 1, (1 << 2047) + 1)],
)
def test_an_rsa_key_that_is_costly_to_verify_with_is_badAlg(numbers: rsa.RSAPublicNumbers) -> None:
    with pytest.raises(CMPFailure) as raised:
        signature.parse(algorithm(RSA_SHA256, NULL)).verify(numbers.public_key(), b"", b"")
    assert raised.value.fail_info is FailInfo.badAlg


REFUSED: list[tuple[str, message.Algorithm]] = [
    ("SHA-1 with RSA", algorithm("1.2.840.113549.1.1.5", NULL)),
    ("MD5 with RSA", algorithm("1.2.840.113549.1.1.4", NULL)),
    ("ECDSA with SHA-1", algorithm("1.2.840.10045.4.1")),
    ("DSA with SHA-1", algorithm("1.2.840.10040.4.3")),
    ("RSA with odd parameters", algorithm(RSA_SHA256, b"\x02\x01\x00")),
    ("ECDSA with parameters", algorithm(ECDSA_SHA256, NULL)),
    ("Ed25519 with parameters", algorithm("1.3.101.112", NULL)),
    ("ML-DSA with parameters", algorithm("2.16.840.1.101.3.4.3.17", NULL)),
    ("PSS without parameters", algorithm(PSS)),
    ("PSS with NULL", algorithm(PSS, NULL)),
    ("PSS with all defaults, SHA-1", algorithm(PSS, b"\x30\x00")),
    ("PSS with SHA-1", pss(hashAlgorithm=hash_identifier("SHA-1"))),
    ("PSS with MGF1 over SHA-1", pss(maskGenAlgorithm=mgf("SHA-1"))),
    ("PSS without a mask generation", pss(maskGenAlgorithm=None)),
    ("PSS with another mask generation", pss(maskGenAlgorithm=mgf("SHA-256", "1.2.3"))),
    ("PSS with a mask generation without a hash", pss(maskGenAlgorithm={"algorithm": MGF1})),
    ("PSS with a negative salt", pss(saltLength=-1)),
    ("PSS with a huge salt", pss(saltLength=1 << 40)),
    ("PSS with another trailer", pss(trailerField=2)),
    ("a MAC", algorithm("1.2.840.113549.2.9")),
    ("unknown", algorithm("1.2.3")),
]


@pytest.mark.parametrize("refused", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_inadmissible_signature_algorithms_are_badAlg(refused: message.Algorithm) -> None:
    with pytest.raises(CMPFailure) as raised:
        signature.parse(refused)
    assert raised.value.fail_info is FailInfo.badAlg


@pytest.mark.parametrize(
    ("function", "salt_length"),
    [(hashes.SHA256, 32), (hashes.SHA256, 0), (hashes.SHA384, 48), (hashes.SHA512, 64), (hashes.SHA512, 20)],
)
def test_pss_verifies_with_the_hash_and_salt_length_it_names(
    function: Callable[[], hashes.HashAlgorithm], salt_length: int
) -> None:
    names = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
    own = names[function().name]
    chosen = pss(hashAlgorithm=hash_identifier(own), maskGenAlgorithm=mgf(own), saltLength=salt_length)
    made = key("RSA").sign(b"data", padding.PSS(padding.MGF1(function()), salt_length), function())
    signature.parse(chosen).verify(key("RSA").public_key(), made, b"data")
    other = pss(hashAlgorithm=hash_identifier(own), maskGenAlgorithm=mgf(own), saltLength=salt_length + 1)
    with pytest.raises(CMPFailure):
        signature.parse(other).verify(key("RSA").public_key(), made, b"data")


@pytest.mark.parametrize(
    ("kind", "digest", "expected"),
    [
        ("RSA", "sha256", "sha256WithRSAEncryption"),
        ("RSA", "sha384", "sha384WithRSAEncryption"),
        ("RSA", "sha512", "sha512WithRSAEncryption"),
        ("P-256", "sha256", "ecdsa-with-SHA256"),
        ("P-384", "sha384", "ecdsa-with-SHA384"),
        ("P-521", "sha512", "ecdsa-with-SHA512"),
    ],
)
def test_what_openssl_signs_verifies(tmp_path: Path, kind: str, digest: str, expected: str) -> None:
    signer = Plan(name("device"), key(kind), days=(-10_000, 10_000)).issue(None)
    der = openssl.with_signature(tmp_path, key("P-256", 1), signer, "-digest", digest)
    request = message.parse(der)
    assert request.header.protection_alg is not None
    assert request.protection is not None
    parsed = signature.parse(request.header.protection_alg)
    assert parsed.name == expected
    parsed.verify(key(kind).public_key(), request.protection, request.protected_part)
    with pytest.raises(CMPFailure) as raised:
        parsed.verify(key(kind).public_key(), request.protection, request.protected_part + b"\x00")
    assert raised.value.fail_info is FailInfo.badMessageCheck


@pytest.mark.parametrize(
    ("kind", "function", "expected"),
    [
        ("RSA", hashes.SHA256(), "SHA-256"),
        ("RSA", hashes.SHA512(), "SHA-512"),
        ("P-256", hashes.SHA384(), "SHA-384"),
        ("Ed25519", None, "SHA-512"),
        ("Ed448", None, "SHAKE256"),
        ("ML-DSA-44", None, None),
    ],
)
def test_certHash_takes_the_hash_of_the_certificates_signature(
    kind: str, function: hashes.HashAlgorithm | None, expected: str | None
) -> None:
    certificate = Plan(name("device"), key(kind), hash=function).issue(None).certificate
    assert signature.certificate_hash(certificate) == expected


def test_certHash_of_a_pss_certificate_takes_the_hash_in_its_parameters() -> None:
    plain = Plan(name("device"), key("RSA")).issue(None).certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(plain.subject)
        .issuer_name(plain.issuer)
        .public_key(plain.public_key())
        .serial_number(1)
        .not_valid_before(plain.not_valid_before_utc)
        .not_valid_after(plain.not_valid_after_utc)
    )
    made = builder.sign(
        key("RSA"), hashes.SHA384(), rsa_padding=padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    )
    assert signature.certificate_hash(made) == "SHA-384"


@pytest.mark.parametrize("name", ["SHA-224", "SHA-256", "SHA-384", "SHA-512"])
def test_hashAlg_names_the_hash_of_certHash(name: str) -> None:
    assert signature.hash_algorithm(algorithm(hashing.HASH_OIDS[name])) == name


@pytest.mark.parametrize("oid", ["1.3.14.3.2.26", "1.2.840.113549.2.5", "1.2.3"])
def test_a_weak_or_unknown_hashAlg_is_badAlg(oid: str) -> None:
    with pytest.raises(CMPFailure) as raised:
        signature.hash_algorithm(algorithm(oid))
    assert raised.value.fail_info is FailInfo.badAlg


def test_shake256_gives_512_bits() -> None:
    assert len(hashing.digest("SHAKE256", b"data")) == 64
