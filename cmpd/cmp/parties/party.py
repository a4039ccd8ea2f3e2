"""A party: who protected a message, once that is proved."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cryptography import x509

    from cmpd.clm.documents.rules.registration import RegistrationAuthority
    from cmpd.clm.model import Certificate, Entity
    from cmpd.cmp.protection.mac import MacAlgorithm


class Capacity(StrEnum):
    """As what a party acts; each has its rows in the table of grants."""

    NOBODY = "nobody"
    """A message without protection."""
    PASSWORD = "password"  # noqa: S105 - a kind of party
    """An end entity, by a MAC under its password."""
    LOGIN = "login"
    """An end entity by HTTP Basic authentication, and the key that a certificate is asked for."""
    CERTIFICATE = "certificate"
    """An end entity, by a certificate that was issued here to it."""
    UNREGISTERED = "unregistered certificate"
    """The holder of a certificate that was issued here, without an end entity that is there."""
    VENDOR = "vendor certificate"
    """An end entity that is registered for a certificate under a trust anchor of the policy."""
    NEWCOMER = "newcomer"
    """A certificate under a trust anchor of the policy, for which nobody is registered."""
    RA = "registration authority"
    """Whom a row of the policy's registration authorities names."""


BY_PASSWORD: Final = (Capacity.PASSWORD, Capacity.LOGIN)
"""Those whose transactions are counted against a password with a number of uses."""


@quick_dataclass(frozen=True, slots=True)
class MacKey:
    """A key that verified a request, to protect its response with."""

    algorithm: MacAlgorithm
    key: bytes


@quick_dataclass(frozen=True, slots=True)
class Party:
    """Who protected a message."""

    name: str
    """``mac:<entity id>``, ``cert:<fingerprint>``, ``key:<SHA-256 of the public key>:<entity id>``, or
    empty: nobody.
    The messages of one transaction have one name."""
    capacity: Capacity
    entity: Entity | None = None
    certificate: x509.Certificate | None = None
    """The protection certificate."""
    record: Certificate | None = None
    """Its record, where it was issued here."""
    mac: MacKey | None = None
    signature: str | None = None
    """The name of the algorithm it signed in."""
    anchor: bytes | None = None
    """DER of the trust anchor that vouches for a certificate that was not issued here."""
    ra: RegistrationAuthority | None = None
    """The policy's row that names it, where it acts as a registration authority."""

    @property
    def actor(self) -> str:
        """How the audit names it; empty for nobody."""
        if self.ra is not None:
            return f"ra:{self.ra.name}"
        if self.entity is not None:
            return f"entity:{self.entity.id}"
        if self.record is not None:
            return f"certificate:{self.record.ca}/{self.record.serial:x}"
        return self.name

    @property
    def described(self) -> str:
        """The actor, and by which certificate it proved to be that: what a grant is written down with."""
        if self.record is not None and self.capacity is not Capacity.UNREGISTERED:
            return f"{self.actor} certificate:{self.record.ca}/{self.record.serial:x}"
        if self.record is None and self.certificate is not None and self.capacity is not Capacity.LOGIN:
            issuer = self.certificate.issuer.rfc4514_string()
            return f"{self.actor} certificate {self.certificate.serial_number:x} of {issuer}"
        return self.actor


NOBODY = Party("", Capacity.NOBODY)
