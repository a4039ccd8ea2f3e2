"""What an algorithm is to cmpd: a row that says all about it, in a register that everybody asks.

A family's module makes the rows, and `register` takes them in. What depends on an algorithm (the words of a
policy, what general messages offer, who verifies, the documentation) is looked up when it is needed: nobody
keeps a list of its own, and nobody tests a key for its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Any, Final, Protocol, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes as SigningKey,
)
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes as PublicKey,
)

__all__ = [
    "KEYS",
    "OID_NAMES",
    "SIGNATURES",
    "Agreement",
    "Curve",
    "KeyAlgorithm",
    "KeyProblem",
    "PSSParameters",
    "Parameters",
    "PublicKey",
    "SignatureAlgorithm",
    "SigningKey",
    "register",
    "withdraw",
]


class KeyProblem(Exception):
    """A key cannot be made, loaded or used; the text says why."""


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
    """Whether verifying with a public key costs no more than a stranger may spend; None: it never does."""

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


class _Row(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def oid_names(self) -> dict[str, str]: ...


RowT = TypeVar("RowT", bound=_Row)

OID_NAMES: Final[dict[str, str]] = {}
"""OID → name of every algorithm that is registered."""


class Register(dict[str, RowT]):
    """Rows by name, in the order they came."""

    def add(self, row: RowT) -> None:
        """Raises ValueError where the name is taken."""
        if row.name in self:
            raise ValueError(f"{row.name} is registered already")
        self[row.name] = row

    def remove(self, row: RowT) -> None:
        """Raises KeyError where it is not there."""
        del self[row.name]


class KeyRegister(Register[KeyAlgorithm]):
    """The kinds of key."""

    def __init__(self) -> None:
        super().__init__()
        self._of_class: dict[type[Any], dict[str | None, KeyAlgorithm]] = {}

    def add(self, row: KeyAlgorithm) -> None:
        super().add(row)
        self._of_class.clear()

    def remove(self, row: KeyAlgorithm) -> None:
        super().remove(row)
        self._of_class.clear()

    def find(self, key: Any) -> KeyAlgorithm | None:
        """The row of a public key; None where there is none for its kind or curve."""
        rows = self._of_class.get(type(key))
        if rows is None:
            rows = self._learn(type(key))
        if not rows:
            return None
        return rows[None] if None in rows else rows.get(key.curve.name)

    def of(self, key: Any) -> KeyAlgorithm:
        """The row of a public key. Raises KeyProblem for a key of another kind or curve."""
        row = self.find(key)
        if row is not None:
            return row
        known = [one.name for one in self._of_class[type(key)].values()]
        if not known:
            kind = type(key).__name__.removesuffix("PublicKey")
            raise KeyProblem(f"keys of the kind {kind} are not supported")
        raise KeyProblem(
            f"the curve {key.curve.name} is not supported; {', '.join(known[:-1])} and {known[-1]} are"
        )

    def family(self, key: Any) -> str | None:
        """The family of a public key, whatever its curve; None where no kind of it is known."""
        rows = self._of_class.get(type(key)) or self._learn(type(key))
        return next((row.family for row in rows.values()), None)

    def _learn(self, cls: type[Any]) -> dict[str | None, KeyAlgorithm]:
        """The rows that a class of public keys may be of, by curve: the classes are abstract, and asking
        them takes its time."""
        rows = {
            row.curve.name if row.curve else None: row for row in self.values() if issubclass(cls, row.public)
        }
        self._of_class[cls] = rows
        return rows

    def makers(self) -> dict[str, Callable[[], SigningKey]]:
        """What an operator calls each key that can be made → how it is made."""
        return {name: make for row in self.values() for name, make in row.makers.items()}

    def preferred(self) -> list[KeyAlgorithm]:
        """Those made for devices, what the server likes best first."""
        ranked = [(row.rank, row) for row in self.values() if row.rank is not None]
        return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]

    def defaults(self) -> tuple[str, ...]:
        """Names of those certified where a policy does not say."""
        return tuple(row.name for row in self.values() if row.default)


class SignatureRegister(Register[SignatureAlgorithm]):
    """The signature algorithms."""

    def __init__(self) -> None:
        super().__init__()
        self.by_oid: dict[str, SignatureAlgorithm] = {}

    def add(self, row: SignatureAlgorithm) -> None:
        """Raises ValueError where the name or the OID is taken."""
        if row.oid in self.by_oid:
            raise ValueError(f"{row.oid} is registered already, as {self.by_oid[row.oid].name}")
        super().add(row)
        self.by_oid[row.oid] = row

    def remove(self, row: SignatureAlgorithm) -> None:
        super().remove(row)
        del self.by_oid[row.oid]

    def protecting(self) -> tuple[str, ...]:
        """Names of those that may protect messages."""
        return tuple(row.name for row in self.values() if row.protects)

    def defaults(self) -> tuple[str, ...]:
        """Names of those that may protect messages where a policy does not say."""
        return tuple(row.name for row in self.values() if row.protects and row.default)

    def suiting(self, key: KeyAlgorithm) -> list[SignatureAlgorithm]:
        """What to sign with such a key in, best first; nothing for a key that cannot sign."""
        fitting = [row for row in self.values() if row.protects and row.family == key.family]
        return sorted(fitting, key=lambda row: row.name != key.signature)


KEYS: Final = KeyRegister()
SIGNATURES: Final = SignatureRegister()


def register(rows: Iterable[KeyAlgorithm | SignatureAlgorithm]) -> None:
    """Take in the rows of a family. Raises ValueError where a name or an OID has a meaning already."""
    for row in rows:
        if isinstance(row, KeyAlgorithm):
            KEYS.add(row)
        else:
            SIGNATURES.add(row)
    _name_oids()


def withdraw(rows: Iterable[KeyAlgorithm | SignatureAlgorithm]) -> None:
    """Undo `register`. Raises KeyError where a row is not there."""
    for row in rows:
        if isinstance(row, KeyAlgorithm):
            KEYS.remove(row)
        else:
            SIGNATURES.remove(row)
    _name_oids()


def _name_oids() -> None:
    OID_NAMES.clear()
    rows: list[_Row] = [*KEYS.values(), *SIGNATURES.values()]
    for row in rows:
        OID_NAMES.update(row.oid_names)
