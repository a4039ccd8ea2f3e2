"""What cmpd knows of a key algorithm or a signature algorithm: a row that says all about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes as SigningKey,
)
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes as PublicKey,
)

__all__ = [
    "Agreement",
    "Curve",
    "KeyAlgorithm",
    "PSSParameters",
    "Parameters",
    "PublicKey",
    "SignatureAlgorithm",
    "SigningKey",
]


class Parameters(Enum):
    """What stands beside the OID in an AlgorithmIdentifier."""

    ABSENT = "absent"
    """Nothing (RFC 5758, section 3.2; RFC 8410, section 3; RFC 9881, section 2)."""
    NULL = "NULL"
    """NULL; a reader tolerates that it is absent (RFC 4055, section 5)."""
    CURVE = "ECParameters"
    """The named curve (RFC 5480, section 2.1.1)."""
    PSS = "RSASSA-PSS-params"
    """Hash functions and the length of the salt (RFC 4055, section 3.1)."""


@dataclass(frozen=True, slots=True)
class PSSParameters:
    """RSASSA-PSS-params (RFC 4055, section 3.1)."""

    hash: str
    """A name of `digests.HASHES`, as `mgf_hash` is."""
    mgf_hash: str
    salt_length: int
    """Octets."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A named curve of elliptic-curve keys (RFC 5480, section 2.1.1.1)."""

    oid: str
    name: str
    """As `cryptography` calls it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How CMS agrees on a key-encryption key with keys of a kind (RFC 5753, section 7.1.4)."""

    oid: str
    """Of the key agreement scheme, dhSinglePass-stdDH-sha…kdf-scheme."""
    hash: Callable[[], hashes.HashAlgorithm]
    """What its KDF hashes with."""


_SIGNING: Final = frozenset({"digitalSignature", "nonRepudiation", "keyCertSign", "cRLSign"})
_ENCIPHERMENT: Final = frozenset({"keyEncipherment", "dataEncipherment"})
_AGREEMENT: Final = frozenset({"keyAgreement", "encipherOnly", "decipherOnly"})


@dataclass(frozen=True, eq=False)
class KeyAlgorithm:
    """A kind of key pair, as policies tell them apart: an algorithm, and the curve where it has several."""

    name: str
    """In configuration, and in what operators and clients are told."""
    family: str
    """Which signature algorithms are for it: those of the same family."""
    oid: str
    """Of SubjectPublicKeyInfo's algorithm."""
    public: type[Any]
    """What a public key of the family is an instance of."""
    strength: int
    """Bits of security (NIST SP 800-57 part 1, section 5.6.1; FIPS 204, table 1), of the shortest key."""
    make: Callable[..., SigningKey] | None = None
    """Makes a private key, of the bits it is given where there are `sizes`; None: none is made here."""
    parameters: Parameters = Parameters.ABSENT
    """Of SubjectPublicKeyInfo's algorithm."""
    oid_name: str = ""
    """What the RFC calls `oid`, where that is not `name`."""
    curve: Curve | None = None
    """Tells the kinds of a family apart."""
    sizes: tuple[int, ...] = ()
    """Bits of the keys that are made, where the algorithm leaves them open."""
    signature: str = ""
    """The signature algorithm that suits it best; none for keys that cannot sign."""
    answers_in_kind: bool = False
    """Whether a response is signed in the request's own algorithm, where that is of the family."""
    transports: bool = False
    """Whether it encrypts keys (key transport)."""
    agrees: bool = False
    """Whether it agrees on keys."""
    agreement: Agreement | None = None
    """How, where something can be encrypted for it here."""
    default: bool = False
    """Whether it is certified where a policy does not say."""
    rank: int | None = None
    """Where the server chooses the key it makes for a device, the lowest first; None: never chosen, nor
    made for a device."""
    bearable: Callable[[Any], bool] | None = None
    """Whether verifying with a public key costs no more than an unauthenticated peer may spend; None: it
    never does."""

    @property
    def signs(self) -> bool:
        """Whether it signs."""
        return bool(self.signature)

    @property
    def encrypts(self) -> bool:
        """Whether it encrypts, or agrees on keys."""
        return self.transports or self.agrees

    @cached_property
    def impossible_usages(self) -> frozenset[str]:
        """Key usages it cannot do (RFC 8813, section 3; RFC 9295, section 3; RFC 9881, section 5)."""
        able = ((self.signs, _SIGNING), (self.transports, _ENCIPHERMENT), (self.agrees, _AGREEMENT))
        return frozenset().union(*(usages for can, usages in able if not can))

    @cached_property
    def makers(self) -> Mapping[str, Callable[[], SigningKey]]:
        """What an operator calls a key to be made → how it is made: one for each size."""
        if self.make is None:
            return {}
        if not self.sizes:
            return {self.name: self.make}
        return {self.sized(bits): partial(self.make, bits) for bits in self.sizes}

    def sized(self, bits: int) -> str:
        """The name of a key with its size, where the algorithm leaves that open."""
        return f"{self.name}-{bits}" if self.sizes else self.name

    @property
    def title(self) -> str:
        """What a message calls such a key: the family first where it has several kinds, ``EC P-256``."""
        return self.name if self.curve is None else f"{self.family} {self.name}"

    @property
    def oid_names(self) -> dict[str, str]:
        """OID → name of what it brings."""
        own = {self.oid: self.oid_name or self.name}
        return own if self.curve is None else own | {self.curve.oid: self.name}


@dataclass(frozen=True, eq=False, slots=True)
class SignatureAlgorithm:
    """A signature algorithm, with its parameters where it has some to choose."""

    name: str
    """In configuration, and in what operators and clients are told; as the RFC spells it."""
    oid: str
    family: str
    """The kinds of key it is for: those of the same family."""
    verify: Callable[[Any, bytes, bytes], None]
    """(public key of the family, signature, what was signed); raises InvalidSignature."""
    sign: Callable[[Any, bytes], bytes]
    """(private key of the family, what is signed) → signature."""
    parameters: Parameters = Parameters.ABSENT
    pss: PSSParameters | None = None
    """The parameters, where they are RSASSA-PSS-params."""
    hash: hashes.HashAlgorithm | None = None
    """What certificates and CRLs are hashed with; None: the algorithm does it itself."""
    certificate_hash: str | None = None
    """What certHash over a certificate signed so is made with (RFC 9810, section 5.3.18; RFC 9481, section
    3), a name of `digests.HASHES` or ``SHAKE256``; None: the algorithm implies none."""
    protects: bool = True
    """Whether it may protect messages, and policies may name it; the others only prove possession."""
    default: bool = True
    """Whether it may protect messages where a policy does not say."""

    @property
    def oid_names(self) -> dict[str, str]:
        """OID → name of what it brings."""
        return {self.oid: self.name}
