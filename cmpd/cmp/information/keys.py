"""Which keys are certified, which algorithms preferred (RFC 9810, 5.3.19.2 to 5.3.19.4, 5.3.19.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmpd.cmp import schema
from cmpd.cmp.cms.algorithms import AES256_CBC, identifier
from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.protection.digests import NULL
from cmpd.cmp.schema import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.clm.catalog import ServedPolicy
    from cmpd.cmp.exchange import Exchange

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"


@dataclass(frozen=True, slots=True)
class KeyType:
    """A kind of public key, as SubjectPublicKeyInfo names it."""

    oid: str
    curve: str = ""
    """OID of the named curve, for id-ecPublicKey."""
    signs: bool = True
    encrypts: bool = False
    """Whether it encrypts or agrees on keys."""

    @property
    def identifier(self) -> bytes:
        """DER of the AlgorithmIdentifier."""
        if self.curve:
            return identifier(self.oid, schema.encode("RawNamedCurve", self.curve))
        return identifier(self.oid, NULL if self.oid == RSA_ENCRYPTION else None)


KEY_TYPES: dict[str, KeyType] = {
    "RSA": KeyType(RSA_ENCRYPTION, encrypts=True),
    "P-256": KeyType(EC_PUBLIC_KEY, "1.2.840.10045.3.1.7", encrypts=True),
    "P-384": KeyType(EC_PUBLIC_KEY, "1.3.132.0.34", encrypts=True),
    "P-521": KeyType(EC_PUBLIC_KEY, "1.3.132.0.35", encrypts=True),
    "Ed25519": KeyType("1.3.101.112"),
    "Ed448": KeyType("1.3.101.113"),
    "X25519": KeyType("1.3.101.110", signs=False, encrypts=True),
    "X448": KeyType("1.3.101.111", signs=False, encrypts=True),
    "ML-DSA-44": KeyType("2.16.840.1.101.3.4.3.17"),
    "ML-DSA-65": KeyType("2.16.840.1.101.3.4.3.18"),
    "ML-DSA-87": KeyType("2.16.840.1.101.3.4.3.19"),
}
"""A policy's name of a key algorithm → its kind (RFC 3279, 5480, 8410, 9881)."""


def certified(served: ServedPolicy) -> list[KeyType]:
    """The kinds of key the policy certifies, in its order."""
    return [KEY_TYPES[name] for name in served.policy.keys.algorithms]


async def signing(exchange: Exchange, served: ServedPolicy, value: bytes | None) -> bytes | None:
    """signKeyPairTypes."""
    return _listed(served, lambda kind: kind.signs)


async def encrypting(exchange: Exchange, served: ServedPolicy, value: bytes | None) -> bytes | None:
    """encKeyPairTypes."""
    return _listed(served, lambda kind: kind.encrypts)


async def preferred_symmetric(exchange: Exchange, served: ServedPolicy, value: bytes | None) -> bytes | None:
    """preferredSymmAlg: what `cmpd.cmp.cms` encrypts with."""
    return identifier(AES256_CBC)


async def parameters(exchange: Exchange, served: ServedPolicy, value: bytes | None) -> bytes | None:
    """keyPairParamRep: the algorithm with the parameters the policy likes best."""
    try:
        asked = schema.decode("RawNamedCurve", value or b"")
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "keyPairParamReq names no algorithm by its OID", detail=str(error)
        ) from None
    return next((kind.identifier for kind in certified(served) if kind.oid == asked), None)


def _listed(served: ServedPolicy, fits: Callable[[KeyType], bool]) -> bytes | None:
    identifiers = [kind.identifier for kind in certified(served) if fits(kind)]
    return schema.encode("RawCertificates", identifiers) if identifiers else None
