"""EdDSA: Ed25519 and Ed448 (RFC 8410; RFC 9481, section 3.3, which gives each a hash for certHash)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cmpd.clm.pkix.algorithms.pure import rows

ROWS: Final = (
    *rows(
        "Ed25519",
        "1.3.101.112",
        Ed25519PublicKey,
        Ed25519PrivateKey.generate,
        strength=128,
        rank=2,
        certificate_hash="SHA-512",
        default=True,
    ),
    *rows(
        "Ed448",
        "1.3.101.113",
        Ed448PublicKey,
        Ed448PrivateKey.generate,
        strength=224,
        rank=2,
        certificate_hash="SHAKE256",
        default=True,
    ),
)
