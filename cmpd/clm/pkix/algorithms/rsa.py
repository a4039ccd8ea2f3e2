"""RSA (RFC 8017): keys of a size to choose; PKCS #1 v1.5 and PSS with SHA-2 (RFC 9481, section 3.1)."""

from __future__ import annotations

from functools import partial
from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cmpd.clm.pkix.algorithms.definitions import KeyAlgorithm, Parameters, PSSParameters, SignatureAlgorithm
from cmpd.clm.pkix.algorithms.digests import HASHES

FAMILY: Final = "RSA"
OID: Final = "1.2.840.113549.1.1.1"
PSS_OID: Final = "1.2.840.113549.1.1.10"

LARGEST_MODULUS: Final = 8192
"""Bits. Checking a signature with a larger key costs milliseconds, which an unauthenticated peer could spend
at will."""
LARGEST_EXPONENT: Final = 64
"""Bits, for the same reason."""


def _bearable(key: rsa.RSAPublicKey) -> bool:
    if key.key_size > LARGEST_MODULUS:
        return False
    return key.public_numbers().e.bit_length() <= LARGEST_EXPONENT


def _algorithm(
    name: str,
    oid: str,
    hash_name: str,
    scheme: padding.AsymmetricPadding,
    parameters: Parameters,
    pss: PSSParameters | None = None,
    *,
    protects: bool = True,
) -> SignatureAlgorithm:
    function = HASHES[hash_name].make()

    def verify(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, scheme, function)

    def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        return key.sign(data, scheme, function)

    return SignatureAlgorithm(
        name,
        oid,
        FAMILY,
        verify,
        sign,
        parameters,
        pss,
        hash=function,
        certificate_hash=hash_name,
        protects=protects,
    )


def _pkcs1(bits: int, oid: str, *, protects: bool = True) -> SignatureAlgorithm:
    name, scheme = f"sha{bits}WithRSAEncryption", padding.PKCS1v15()
    return _algorithm(name, oid, f"SHA-{bits}", scheme, Parameters.NULL, protects=protects)


def pss(parameters: PSSParameters) -> SignatureAlgorithm:
    """RSASSA-PSS with the parameters that a message chose."""
    mask = padding.MGF1(HASHES[parameters.mgf_hash].make())
    scheme = padding.PSS(mask, parameters.salt_length)
    return _algorithm("RSASSA-PSS", PSS_OID, parameters.hash, scheme, Parameters.PSS, parameters)


ROWS: Final = (
    KeyAlgorithm(
        FAMILY,
        FAMILY,
        OID,
        rsa.RSAPublicKey,
        strength=112,
        make=partial(rsa.generate_private_key, 65537),
        parameters=Parameters.NULL,
        oid_name="rsaEncryption",
        sizes=(2048, 3072, 4096),
        signature="sha256WithRSAEncryption",
        answers_in_kind=True,
        transports=True,
        default=True,
        rank=3,
        bearable=_bearable,
    ),
    _pkcs1(224, "1.2.840.113549.1.1.14", protects=False),
    _pkcs1(256, "1.2.840.113549.1.1.11"),
    _pkcs1(384, "1.2.840.113549.1.1.12"),
    _pkcs1(512, "1.2.840.113549.1.1.13"),
    pss(PSSParameters("SHA-256", "SHA-256", 32)),
)
