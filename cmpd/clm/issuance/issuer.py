"""Who issues for a CA: the seam between what a certificate shall be and who signs it.

An `Issuer` gets certificates that are prepared completely (`prepare`), and gives them back signed, now or
later. `LocalIssuer` signs with the CA's own key. Another one, in front of a CA elsewhere, is an
implementation of the same protocol, handed to `cmpd.clm.client.Client.login`; no handler knows which one it
talks to.

`issue` is called at most once for each certificate request, whatever conflicts. Where that has to hold over
all processes and over a crash (`claims`), the store knows of the call before it is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.authorities.authority import Authority, key_id_of
from cmpd.clm.authorities.crl import Entry, make_crl
from cmpd.clm.authorities.key_kinds.software import SoftwareKey
from cmpd.clm.issuance.prepare import PreparedCertificate
from cmpd.clm.model import Certificate, CertificateState, StoredCRL
from cmpd.clm.pkix.attributes import name_text
from cmpd.clm.pkix.keypairs import public_der
from cmpd.records import quick_dataclass
from cmpd.times import seconds_of


class IssuerUnavailable(Exception):
    """The issuer cannot be asked now; nothing was issued. Trying again later may help."""


@quick_dataclass(frozen=True, slots=True)
class RequestId:
    """Which certificate request an issuer is asked for; no two have the same."""

    transaction: bytes
    """transactionID."""
    cert_req_id: int
    """certReqId."""


@quick_dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that an issuer gave, not yet stored."""

    ca: str
    """Id of the CA."""
    der: bytes
    serial: int
    subject: str
    """RFC 4514 text."""
    not_before: int
    not_after: int
    key_id: bytes
    key_hash: bytes
    """SHA-256 of the SubjectPublicKeyInfo."""

    @classmethod
    def of(cls, ca: str, certificate: x509.Certificate) -> IssuedCertificate:
        """Whatever certificate the CA issued."""
        return cls(
            ca=ca,
            der=certificate.public_bytes(Encoding.DER),
            serial=certificate.serial_number,
            subject=name_text(certificate.subject),
            not_before=seconds_of(certificate.not_valid_before_utc),
            not_after=seconds_of(certificate.not_valid_after_utc),
            key_id=key_id_of(certificate),
            key_hash=hashlib.sha256(public_der(certificate.public_key())).digest(),
        )

    def record(
        self,
        *,
        entity: str | None,
        policy: str | None,
        transaction: bytes | None,
        state: CertificateState,
        issued: int,
        replaces: tuple[str, int] | None = None,
        requested_by: str | None = None,
    ) -> Certificate:
        """The store's record of it."""
        return Certificate(
            ca=self.ca,
            serial=self.serial,
            der=self.der,
            subject=self.subject,
            not_before=self.not_before,
            not_after=self.not_after,
            key_id=self.key_id,
            key_hash=self.key_hash,
            entity=entity,
            policy=policy,
            transaction=transaction,
            state=state,
            issued=issued,
            replaces=replaces,
            requested_by=requested_by,
        )


@quick_dataclass(frozen=True, slots=True)
class IssuancePending:
    """The certificate is issued later: ask for it by `Issuer.collect`."""

    ticket: str
    """What the issuer knows the request by."""


class Issuer(Protocol):
    """Issues, revokes and makes CRLs for one CA.

    Each method raises KeyUnavailable or IssuerUnavailable where that is not possible now, and
    `cmpd.clm.refusal.RequestRefused` where the issuer does not want to.
    """

    @property
    def authority(self) -> Authority:
        """The CA it issues for."""

    @property
    def claims(self) -> bool:
        """Whether the store has to know of a call of `issue` before it is made."""

    async def issue(
        self, request: RequestId, prepared: PreparedCertificate
    ) -> IssuedCertificate | IssuancePending:
        """Have it signed."""

    async def collect(self, request: RequestId, ticket: str) -> IssuedCertificate | IssuancePending:
        """What became of a certificate that was pending."""

    async def revoke(self, certificate: Certificate, reason: int) -> None:
        """Take note that the certificate is revoked, held or released, as CRLReason `reason` says (RFC 5280,
        section 5.3.1), before the store does: what the store then fails to keep is asked for again. It may be
        told twice."""

    async def crl(self, partition: int, number: int, entries: Iterable[Entry], now: int) -> StoredCRL:
        """The CRL of a partition, with these entries and this number."""


class LocalIssuer:
    """Signs with the key of the CA (`cmpd.clm.authorities.key_ref`)."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.claims = not isinstance(authority.key, SoftwareKey)

    async def issue(self, request: RequestId, prepared: PreparedCertificate) -> IssuedCertificate:
        certificate = await self.authority.key.signed(prepared.builder())
        return IssuedCertificate(
            ca=self.authority.id,
            der=certificate.public_bytes(Encoding.DER),
            serial=prepared.serial,
            subject=name_text(prepared.subject),
            not_before=prepared.not_before,
            not_after=prepared.not_after,
            key_id=prepared.key_id,
            key_hash=prepared.key_hash,
        )

    async def collect(self, request: RequestId, ticket: str) -> IssuedCertificate:
        raise IssuerUnavailable("nothing is pending: the CA signs at once")

    async def revoke(self, certificate: Certificate, reason: int) -> None:
        """The store is all that CRLs are made from."""

    async def crl(self, partition: int, number: int, entries: Iterable[Entry], now: int) -> StoredCRL:
        return await make_crl(self.authority, partition, number, entries, now)


IssuerOf = Callable[[Authority], Issuer]
"""Gives the issuer of a CA."""

ISSUERS: dict[str, IssuerOf] = {"local": LocalIssuer}
"""By the name that a CA's document has for it (`issuer`)."""


def register(name: str, issuer_of: IssuerOf) -> None:
    """Have an issuer serve the CAs whose document names it."""
    ISSUERS[name] = issuer_of


def issuer_of(authority: Authority) -> Issuer:
    """Who issues for a CA, as its document says. Raises IssuerUnavailable where that is not installed."""
    if authority.issuer not in ISSUERS:
        raise IssuerUnavailable(f"CA {authority.name}: the issuer {authority.issuer!r} is not installed")
    return ISSUERS[authority.issuer](authority)
