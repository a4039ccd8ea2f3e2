"""What a message calls a public key of whatever kind, served or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import dsa, ec, mlkem

from cmpd.clm.pkix.algorithms import KEYS

if TYPE_CHECKING:
    from cmpd.clm.pkix.algorithms.definitions import PublicKey

_NOT_SERVED: Final[tuple[tuple[type, str], ...]] = (
    (dsa.DSAPublicKey, "DSA"),
    (mlkem.MLKEM768PublicKey, "ML-KEM-768"),
    (mlkem.MLKEM1024PublicKey, "ML-KEM-1024"),
)


def key_title(key: PublicKey) -> str:
    """``RSA``, ``EC P-256``, ``Ed25519`` …"""
    row = KEYS.find(key)
    if row is not None:
        return row.title
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"{KEYS.family(key)} {key.curve.name}"
    return next((title for kind, title in _NOT_SERVED if isinstance(key, kind)), type(key).__name__)
