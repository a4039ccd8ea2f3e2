"""A CA as it is loaded to issue: certificate, chain, keys, and its signers for CMP."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.authorities.key_ref import KeyRef, key_class, key_kinds
from cmpd.clm.documents.crl_points import PARTITIONS, CrlPoints
from cmpd.clm.model import Certificate, CertificateState, StoredObject
from cmpd.clm.pkix.attributes import name_text
from cmpd.clm.pkix.keypairs import KeyProblem, SigningKey, load_private, public_der
from cmpd.clm.secrets import MasterKey
from cmpd.clm.settings import (
    BASE64,
    DURATION,
    TEXT,
    DocumentError,
    check_name,
    count,
    dump,
    listing,
    member,
    nested,
    optional,
    read,
    setting,
)
from cmpd.times import seconds_of


class AuthorityError(DocumentError):
    """A CA's document is wrong, or its key does not open; the text says which and why."""


@dataclass(frozen=True, slots=True)
class CrlSettings:
    """How a CA makes its CRLs."""

    validity: int = setting(DURATION, 7 * 86400)
    """Seconds from thisUpdate to nextUpdate."""
    overlap: int = setting(DURATION, 86400)
    """Seconds before nextUpdate at which the next one is made, so that two are valid meanwhile."""
    keep_expired: int = setting(DURATION, 0)
    """Seconds for which an expired certificate still stands on the CRL."""


@dataclass(frozen=True, slots=True)
class SealedPair:
    """A certificate and its private key as a CA's document has them."""

    certificate: bytes = setting(BASE64)
    """DER."""
    key: bytes = setting(BASE64)
    """PKCS #8, sealed under the master key."""


@dataclass(frozen=True, slots=True)
class AuthorityDocument:
    """What the store keeps of a CA."""

    key: bytes = setting(BASE64)
    """What `KeyRef.stored` gave: of a software key PKCS #8, sealed under the master key."""
    subject: str = setting(TEXT)
    """RFC 4514 text."""
    url: str = setting(TEXT)
    """The base URL under which the CRL and the CA certificate are served, for certificates to name."""
    certificate: bytes | None = setting(optional(BASE64), None)
    """DER; absent while a request for it is out (`cmpd ca request`)."""
    chain: tuple[bytes, ...] = setting(listing(BASE64), ())
    """DER of the issuers' certificates up to the root, the nearest first."""
    parent: str | None = setting(optional(TEXT), None)
    """Id of the CA in this store that certified it; absent: a root, or certified elsewhere."""
    signer: SealedPair | None = setting(optional(nested(SealedPair)), None)
    """The CMP signer (EKU id-kp-cmcCA)."""
    kga: SealedPair | None = setting(optional(nested(SealedPair)), None)
    """The key generation authority (EKU id-kp-cmKGA)."""
    new_with_old: bytes | None = setting(optional(BASE64), None)
    """After a rollover: this key's certificate signed by the previous key (RFC 9810, section 4.4)."""
    old_with_new: bytes | None = setting(optional(BASE64), None)
    """After a rollover: the previous key's certificate signed by this key."""
    predecessor: str | None = setting(optional(TEXT), None)
    """After a rollover: id of the CA with the previous key."""
    successor: str | None = setting(optional(TEXT), None)
    """After a rollover: id of the CA with the next key, which issues from then on."""
    crl: CrlSettings = setting(nested(CrlSettings), CrlSettings())
    """How CRLs are made."""
    generation: int = setting(count(1, 10_000), 1)
    """Counts rollovers."""
    crl_partitions: int = setting(PARTITIONS, 1)
    """How many CRLs the certificates are spread over. Never changed: certificates name theirs."""
    key_kind: str = setting(member(key_kinds), "software")
    """Where the key is: one of `key_kinds`."""
    issuer: str = setting(TEXT, "local")
    """Who issues for it (`cmpd.clm.issuance.issuer.ISSUERS`)."""
    former_urls: tuple[str, ...] = setting(listing(TEXT), ())
    """What `url` was before, as certificates go on naming it."""

    @classmethod
    def of(cls, stored: StoredObject) -> AuthorityDocument:
        """A CA's document. Raises AuthorityError."""
        try:
            check_name(stored.name)
            return read(cls, stored.document)
        except DocumentError as error:
            raise AuthorityError(f"CA {stored.name}: {error.key}", error.text) from error

    def document(self) -> dict[str, Any]:
        """What `of` reads."""
        return dump(self)

    def at(self, url: str) -> AuthorityDocument:
        """The same CA, published under another base URL."""
        known = dict.fromkeys((*self.former_urls, self.url))
        return replace(self, url=url, former_urls=tuple(one for one in known if one != url))


@dataclass(frozen=True)
class Signer:
    """A key that signs for a CA, and its certificate."""

    certificate_der: bytes
    certificate: x509.Certificate
    key: SigningKey

    @cached_property
    def not_after(self) -> int:
        """When the certificate ends."""
        return seconds_of(self.certificate.not_valid_after_utc)

    @cached_property
    def key_id(self) -> bytes:
        """Its subjectKeyIdentifier."""
        return key_id_of(self.certificate)

    @cached_property
    def subject(self) -> bytes:
        """DER of its subject, the sender of what it signs."""
        return self.certificate.subject.public_bytes()

    @classmethod
    def of(cls, certificate: x509.Certificate, key: SigningKey) -> Signer:
        """A signer just made."""
        return cls(certificate.public_bytes(Encoding.DER), certificate, key)


@dataclass(frozen=True)
class Authority:
    """A CA, loaded."""

    id: str
    name: str
    certificate: x509.Certificate
    certificate_der: bytes
    chain: tuple[bytes, ...]
    """DER of its issuers' certificates up to and including the root, without its own."""
    key: KeyRef = field(repr=False)
    signer: Signer
    """Signs CMP responses."""
    kga: Signer | None
    url: str
    crl: CrlSettings
    new_with_old: bytes | None = None
    old_with_new: bytes | None = None
    predecessor: str | None = None
    successor: str | None = None
    crl_partitions: int = 1
    former_urls: tuple[str, ...] = ()
    issuer: str = "local"
    """The name of who issues for it."""

    @cached_property
    def points(self) -> CrlPoints:
        """Where its CRLs are."""
        return CrlPoints(self.url, self.id, self.crl_partitions, self.former_urls)

    @property
    def root_der(self) -> bytes:
        """The root above it, or itself."""
        return self.chain[-1] if self.chain else self.certificate_der

    @cached_property
    def not_before(self) -> int:
        """When its certificate begins."""
        return seconds_of(self.certificate.not_valid_before_utc)

    @cached_property
    def not_after(self) -> int:
        """When its certificate ends."""
        return seconds_of(self.certificate.not_valid_after_utc)

    @cached_property
    def key_id(self) -> bytes:
        """Its subjectKeyIdentifier, the AKI of what it issues."""
        return key_id_of(self.certificate)

    @cached_property
    def subject_der(self) -> bytes:
        """Its subject, the issuer of what it issues."""
        return self.certificate.subject.public_bytes()


def key_id_of(certificate: x509.Certificate) -> bytes:
    """The subjectKeyIdentifier; computed where the certificate has none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def key_context(id: str) -> str:
    """What a CA's key is sealed for."""
    return f"ca:{id}:key"


def signer_context(id: str, which: str) -> str:
    """What the key of a CA's ``signer`` or ``kga`` is sealed for."""
    return f"ca:{id}:{which}"


def load_key(stored: StoredObject, document: AuthorityDocument, master_key: MasterKey) -> KeyRef:
    """A CA's private key. Raises AuthorityError, or SecretError for the wrong master key."""
    try:
        return key_class(document.key_kind).opened(document.key, master_key, key_context(stored.id))
    except KeyProblem as problem:
        raise AuthorityError(f"CA {stored.name}: key", str(problem)) from problem


def load_authority(stored: StoredObject, master_key: MasterKey) -> Authority | None:
    """A CA ready to issue; None while it waits for its certificate.

    Raises AuthorityError, or SecretError for the wrong master key."""
    document = AuthorityDocument.of(stored)
    if document.certificate is None or document.signer is None:
        return None
    try:
        certificate = x509.load_der_x509_certificate(document.certificate)
        key = load_key(stored, document, master_key)
        return Authority(
            stored.id,
            stored.name,
            certificate,
            document.certificate,
            document.chain,
            key,
            _signer(stored.id, "signer", document.signer, master_key),
            None if document.kga is None else _signer(stored.id, "kga", document.kga, master_key),
            document.url,
            document.crl,
            document.new_with_old,
            document.old_with_new,
            document.predecessor,
            document.successor,
            document.crl_partitions,
            document.former_urls,
            document.issuer,
        )
    except (ValueError, KeyProblem) as error:
        raise AuthorityError(f"CA {stored.name}", str(error)) from error


def _signer(id: str, which: str, pair: SealedPair, master_key: MasterKey) -> Signer:
    key = load_private(master_key.open(pair.key, signer_context(id, which)), trusted=True)
    return Signer(pair.certificate, x509.load_der_x509_certificate(pair.certificate), key)


def record_of(
    certificate: x509.Certificate,
    *,
    ca: str,
    issued: int,
    entity: str | None = None,
    policy: str | None = None,
    transaction: bytes | None = None,
    state: CertificateState = CertificateState.ACTIVE,
) -> Certificate:
    """The store's record of a certificate that `ca` issued."""
    der = certificate.public_bytes(Encoding.DER)
    return Certificate(
        ca=ca,
        serial=certificate.serial_number,
        der=der,
        subject=name_text(certificate.subject),
        not_before=seconds_of(certificate.not_valid_before_utc),
        not_after=seconds_of(certificate.not_valid_after_utc),
        key_id=key_id_of(certificate),
        key_hash=hashlib.sha256(public_der(certificate.public_key())).digest(),
        entity=entity,
        policy=policy,
        transaction=transaction,
        state=state,
        issued=issued,
    )


def ders(certificates: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    """The DER of each."""
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
