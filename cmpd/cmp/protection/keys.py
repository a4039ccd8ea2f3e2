"""The kinds of key that sign and verify, as `cryptography` has them."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, mlkem, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes as PrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes as PublicKey,
)

__all__ = ["CURVES", "PrivateKey", "PublicKey", "name"]

CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
"""The curves that sign messages (RFC 9481, section 3.2), and NIST's names for them."""

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (rsa.RSAPublicKey, "RSA"),
    (ed25519.Ed25519PublicKey, "Ed25519"),
    (ed448.Ed448PublicKey, "Ed448"),
    (x25519.X25519PublicKey, "X25519"),
    (x448.X448PublicKey, "X448"),
    (dsa.DSAPublicKey, "DSA"),
    (mldsa.MLDSA44PublicKey, "ML-DSA-44"),
    (mldsa.MLDSA65PublicKey, "ML-DSA-65"),
    (mldsa.MLDSA87PublicKey, "ML-DSA-87"),
    (mlkem.MLKEM768PublicKey, "ML-KEM-768"),
    (mlkem.MLKEM1024PublicKey, "ML-KEM-1024"),
)


def name(key: PublicKey) -> str:
    """What a message calls a key of this kind: ``RSA``, ``EC P-256``, ``Ed25519`` …"""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {CURVES.get(key.curve.name, key.curve.name)}"
    return next((text for kind, text in _KINDS if isinstance(key, kind)), type(key).__name__)
