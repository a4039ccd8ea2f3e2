"""ECDSA with SHA-2 over P-256, P-384 and P-521 (RFC 9481, section 3.2; RFC 5758)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.cmp.protection import digests
from cmpd.cmp.protection.keys import CURVES
from cmpd.cmp.protection.scheme import SignatureAlgorithm, no_parameters
from cmpd.cmp.protection.table import Family

if TYPE_CHECKING:
    from cmpd.cmp.message import Algorithm
    from cmpd.cmp.protection.keys import PublicKey

ALGORITHMS: Final = {
    "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "SHA-224"),
    "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "SHA-256"),
    "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "SHA-384"),
    "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "SHA-512"),
}

SUITABLE: Final = {
    "secp256r1": "1.2.840.10045.4.3.2",
    "secp384r1": "1.2.840.10045.4.3.3",
    "secp521r1": "1.2.840.10045.4.3.4",
}
"""The hash function as strong as the curve (RFC 5480, section 4)."""


@dataclass(frozen=True, slots=True)
class ECDSA(SignatureAlgorithm):
    """ecdsa-with-SHA…."""

    hash: str
    """A name of `digests.SHA2`."""

    @property
    def certificate_hash(self) -> str:
        return self.hash

    @property
    def parameters(self) -> None:
        return None

    def fits(self, key: PublicKey) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES

    def check(self, key: Any, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, _scheme(self.hash))

    def sign(self, key: Any, data: bytes) -> bytes:
        signature: bytes = key.sign(data, _scheme(self.hash))
        return signature


@cache
def _scheme(name: str) -> ec.ECDSA:
    """Made once each: making one costs a seventh of a verification."""
    return ec.ECDSA(digests.SHA2[name]())


def parse(algorithm: Algorithm) -> ECDSA:
    """Raises CMPFailure badAlg."""
    name, hash_name = ALGORITHMS[algorithm.oid]
    no_parameters(algorithm, name)
    return ECDSA(algorithm.oid, name, hash_name)


def schemes(key: PublicKey) -> tuple[SignatureAlgorithm, ...]:
    """What to sign with, best first; nothing where the key is of another kind."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in SUITABLE:
        return ()
    best = SUITABLE[key.curve.name]
    others = (oid for oid in SUITABLE.values() if oid != best)
    return tuple(ECDSA(oid, *ALGORITHMS[oid]) for oid in (best, *others))


FAMILIES: Final = tuple(Family("signature", oid, name, parse) for oid, (name, _) in ALGORITHMS.items())
