"""EdDSA (RFC 9481, section 3.3; RFC 8410) and ML-DSA (FIPS 204; RFC 9881): the OID says it all.

The message is signed as it is; ML-DSA with an empty context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, mldsa

from cmpd.cmp.protection.scheme import SignatureAlgorithm, no_parameters
from cmpd.cmp.protection.table import Family

if TYPE_CHECKING:
    from cmpd.cmp.message import Algorithm
    from cmpd.cmp.protection.keys import PublicKey


@dataclass(frozen=True, slots=True)
class PureSignature(SignatureAlgorithm):
    """A signature algorithm without parameters or a choice of hash function."""

    key_type: type
    """The kind of public key."""
    implied_hash: str | None
    """What RFC 9481, section 3.3, assigns for certHash; ML-DSA has none, so that certConf needs hashAlg."""

    @property
    def certificate_hash(self) -> str | None:
        return self.implied_hash

    @property
    def parameters(self) -> None:
        return None

    def fits(self, key: PublicKey) -> bool:
        return isinstance(key, self.key_type)

    def check(self, key: Any, signature: bytes, data: bytes) -> None:
        key.verify(signature, data)

    def sign(self, key: Any, data: bytes) -> bytes:
        signature: bytes = key.sign(data)
        return signature


ALGORITHMS: Final = {
    algorithm.oid: algorithm
    for algorithm in (
        PureSignature("1.3.101.112", "Ed25519", ed25519.Ed25519PublicKey, "SHA-512"),
        PureSignature("1.3.101.113", "Ed448", ed448.Ed448PublicKey, "SHAKE256"),
        PureSignature("2.16.840.1.101.3.4.3.17", "ML-DSA-44", mldsa.MLDSA44PublicKey, None),
        PureSignature("2.16.840.1.101.3.4.3.18", "ML-DSA-65", mldsa.MLDSA65PublicKey, None),
        PureSignature("2.16.840.1.101.3.4.3.19", "ML-DSA-87", mldsa.MLDSA87PublicKey, None),
    )
}


def parse(algorithm: Algorithm) -> PureSignature:
    """Raises CMPFailure badAlg."""
    parsed = ALGORITHMS[algorithm.oid]
    no_parameters(algorithm, parsed.name)
    return parsed


def schemes(key: PublicKey) -> tuple[SignatureAlgorithm, ...]:
    """What to sign with; nothing where the key is of another kind."""
    return tuple(algorithm for algorithm in ALGORITHMS.values() if algorithm.fits(key))


FAMILIES: Final = tuple(Family("signature", oid, row.name, parse) for oid, row in ALGORITHMS.items())
