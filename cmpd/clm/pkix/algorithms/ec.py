"""Elliptic curves of NIST (RFC 5480): ECDSA with SHA-2 (RFC 9481, section 3.2; RFC 5758), and ECDH.

What suits a curve best has a hash function as strong as the curve (RFC 5480, section 4).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.clm.pkix.algorithms.definitions import (
    Agreement,
    Curve,
    KeyAlgorithm,
    Parameters,
    SignatureAlgorithm,
)
from cmpd.clm.pkix.algorithms.digests import HASHES

FAMILY: Final = "EC"
OID: Final = "1.2.840.10045.2.1"


def key(
    name: str, curve_oid: str, curve: ec.EllipticCurve, strength: int, signature: str, agreement: Agreement
) -> KeyAlgorithm:
    """The row of a curve."""
    return KeyAlgorithm(
        name,
        FAMILY,
        OID,
        ec.EllipticCurvePublicKey,
        strength,
        make=partial(ec.generate_private_key, curve),
        parameters=Parameters.CURVE,
        oid_name="ecPublicKey",
        curve=Curve(curve_oid, curve.name),
        signature=signature,
        agrees=True,
        agreement=agreement,
        default=True,
        rank=1,
    )


def ecdsa(
    name: str,
    oid: str,
    function: hashes.HashAlgorithm,
    certificate_hash: str | None,
    *,
    protects: bool = True,
) -> SignatureAlgorithm:
    """The row of ECDSA with a hash function."""
    scheme = ec.ECDSA(function)  # made once: making one costs a seventh of a verification

    def verify(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, scheme)

    def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
        return key.sign(data, scheme)

    return SignatureAlgorithm(
        name,
        oid,
        FAMILY,
        verify,
        sign,
        hash=function,
        certificate_hash=certificate_hash,
        protects=protects,
    )


def _with_sha2(bits: int, oid: str, *, protects: bool = True) -> SignatureAlgorithm:
    name = f"SHA-{bits}"
    return ecdsa(f"ecdsa-with-SHA{bits}", oid, HASHES[name].make(), name, protects=protects)


_SHA256 = Agreement("1.3.132.1.11.1", hashes.SHA256)
_SHA384 = Agreement("1.3.132.1.11.2", hashes.SHA384)
_SHA512 = Agreement("1.3.132.1.11.3", hashes.SHA512)

ROWS: Final = (
    key("P-256", "1.2.840.10045.3.1.7", ec.SECP256R1(), 128, "ecdsa-with-SHA256", _SHA256),
    key("P-384", "1.3.132.0.34", ec.SECP384R1(), 192, "ecdsa-with-SHA384", _SHA384),
    key("P-521", "1.3.132.0.35", ec.SECP521R1(), 256, "ecdsa-with-SHA512", _SHA512),
    _with_sha2(224, "1.2.840.10045.4.3.1", protects=False),
    _with_sha2(256, "1.2.840.10045.4.3.2"),
    _with_sha2(384, "1.2.840.10045.4.3.3"),
    _with_sha2(512, "1.2.840.10045.4.3.4"),
)
