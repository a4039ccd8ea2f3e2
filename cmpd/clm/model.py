"""The records of the lifecycle, as they travel between the store, the CLM and the protocol.

Everything here is frozen data. Times are seconds since the epoch (UTC, whole seconds, ``int``), as
X.509 times have no finer grain. Serial numbers are ``int`` here, hexadecimal text where shown.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any

from cmpd.records import quick_dataclass


class ObjectKind(StrEnum):
    """The kinds of configuration object the store keeps as versioned documents."""

    CA = "ca"
    TEMPLATE = "template"
    POLICY = "policy"
    API_CLIENT = "client"


@quick_dataclass(frozen=True, slots=True)
class StoredObject:
    """One versioned configuration document: a CA, template, policy or API client."""

    kind: ObjectKind
    id: str
    """UUID text for policies, the identifier otherwise; unique within the kind."""
    name: str
    """Unique within the kind; what an operator types."""
    document: dict[str, Any]
    """JSON-able settings; the room that owns the kind gives them meaning."""
    version: int = 0
    """Counts writes; a writer names the version it read, and loses if another was faster."""


class EntityState(StrEnum):
    ACTIVE = "active"
    BLOCKED = "blocked"


@quick_dataclass(frozen=True, slots=True)
class Identity:
    """What names an end entity in certificates that others issued (`cmpd.clm.pkix.identities`)."""

    kind: str
    """``subject``, ``serialNumber`` (the X.520 attribute) or ``fingerprint`` (SHA-256 of the DER)."""
    value: str
    """RFC 4514 text, the attribute's value, or lower hexadecimal."""
    anchor: str = ""
    """The trust anchor that vouches for it, by the SHA-256 of its DER in lower hexadecimal; empty: the one of
    a policy that has one."""


@quick_dataclass(frozen=True, slots=True)
class Entity:
    """An end entity: who may ask for certificates, and by which shared secret."""

    id: str
    """UUID text in lower case; its ASCII form is a senderKID (RFC 9483, section 3.1)."""
    name: str
    state: EntityState = EntityState.ACTIVE
    password: bytes | None = None
    """The shared secret, sealed under the master key (`cmpd.clm.secrets`); None: no MAC, no Basic."""
    password_expires: int | None = None
    password_uses: int | None = None
    """How many more transactions the password may begin; None: no bound."""
    policies: tuple[str, ...] = ()
    """UUIDs of the policies it may use."""
    references: tuple[bytes, ...] = ()
    """Further senderKIDs, beside its UUID, unique over all entities."""
    identities: tuple[Identity, ...] = ()
    """What names it in a vendor certificate; key and anchor unique over all entities."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Values a policy or template may take into subject and SAN."""
    created: int = 0
    version: int = 0


class CertificateState(StrEnum):
    """Where a certificate stands. The last three stand on the CRL (on_hold with certificateHold)."""

    UNCONFIRMED = "unconfirmed"
    """Issued; its certConf is awaited (RFC 9810, section 5.3.18)."""
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    REVOKED = "revoked"
    REJECTED = "rejected"
    """Refused by its requester in certConf, or never confirmed: revoked from birth."""


@quick_dataclass(frozen=True, slots=True)
class Certificate:
    """An issued certificate and its state."""

    ca: str
    """Id of the CA that issued it."""
    serial: int
    der: bytes
    subject: str
    """RFC 4514 text."""
    not_before: int
    not_after: int
    key_id: bytes
    """Its subjectKeyIdentifier extension's value."""
    key_hash: bytes
    """SHA-256 of the SubjectPublicKeyInfo DER."""
    entity: str | None
    policy: str | None
    transaction: bytes | None
    state: CertificateState
    issued: int
    revoked: int | None = None
    """When it was revoked or put on hold."""
    reason: int | None = None
    """CRLReason (RFC 5280, section 5.3.1)."""
    replaces: tuple[str, int] | None = None
    """(CA, serial) of the certificate a key update replaces."""
    requested_by: str | None = None
    """Who was granted it, as the audit names actors, and by which certificate; None: it is not known."""
    held_by: str | None = None
    """Who put it on hold, as the audit names actors; None: nobody, or it is not known."""


class TransactionState(StrEnum):
    CONFIRMING = "confirming"
    """A certificate was sent; certConf is awaited until `Transaction.expires`."""
    WAITING = "waiting"
    """The request awaits approval, or its issuer; the client polls (RFC 9810, section 5.3.22)."""
    APPROVED = "approved"
    """Approved; the next pollReq gets the certificate."""
    REFUSED = "refused"
    """Not approved; the next pollReq gets the rejection."""
    CHALLENGED = "challenged"
    """A popdecc was sent; popdecr is awaited (RFC 9810, section 5.2.8.3.3)."""
    ISSUING = "issuing"
    """An issuer was asked for the certificate, and the response is not there yet."""
    CLOSED = "closed"


@quick_dataclass(frozen=True, slots=True)
class Approval:
    """A request that operators decide on (RFC 9483, section 4.4)."""

    asks: str
    """``certificate`` or ``revocation``."""
    subject: str
    """Of the certificate, RFC 4514 text."""
    needed: int
    """How many operators must approve."""
    approvals: tuple[str, ...] = ()
    """Who approved so far, as the audit names actors."""
    rejected: str | None = None
    """Who rejected it."""
    reason: str = ""
    """Why, in the operator's words."""
    content: str = ""
    """What is approved, by its SHA-256 (`PreparedCertificate.content`); empty: whatever it comes to."""


@quick_dataclass(frozen=True, slots=True)
class Challenge:
    """A popdecc that was sent (RFC 9810, section 5.2.8.3.3)."""

    answer: int
    """The number that popdecr must bring back."""


@quick_dataclass(frozen=True, slots=True)
class IssuerTicket:
    """A certificate that its issuer gives later, and what its record will say."""

    ticket: str
    """What the issuer knows the request by."""
    entity: str | None
    replaces: tuple[str, int] | None
    confirmed: bool
    """Whether implicit confirmation was granted."""
    modifications: tuple[str, ...] = ()
    """What was asked and is not given as asked."""


@quick_dataclass(frozen=True, slots=True)
class TransactionRequest:
    """One request of a transaction: a CertReqMsg, a CertificationRequest, a RevDetails."""

    cert_req_id: int
    """certReqId; -1 for what has none (RFC 9483, sections 4.1.4 and 4.4)."""
    state: TransactionState
    certificate: tuple[str, int] | None = None
    """(CA, serial number) of the certificate that was issued for it, or that it is about."""
    waits_for: Approval | Challenge | IssuerTicket | None = None


@quick_dataclass(frozen=True, slots=True)
class Transaction:
    """The messages that share a transactionID, as far as later ones depend on them."""

    id: bytes
    state: TransactionState
    body: int
    """Body tag of the first message."""
    party: str
    """Who protected the first message: ``mac:<entity id>``, ``cert:<fingerprint>``, or empty."""
    policy: str
    entity: str | None
    opened: int
    expires: int
    """When an open transaction is given up, or a closed one may be forgotten."""
    first_digest: bytes
    """SHA-256 of the first request's bytes; the same bytes again get `first_response` again."""
    first_response: bytes
    last_digest: bytes
    """The same for the latest request, where it is not the first."""
    last_response: bytes
    server_nonce: bytes
    """senderNonce of the latest response: the recipNonce to come."""
    requests: tuple[TransactionRequest, ...]
    """The requests of its first message, in their order."""
    message: bytes | None = None
    """The first message's bytes, kept while it waits."""
    profile: str = ""
    """The certProfile that the policy was chosen by."""
    signer: tuple[str, int] | None = None
    """(CA, serial number) of the certificate that protected the first message, where it was issued here."""

    @property
    def certificate(self) -> tuple[str, int] | None:
        """(CA, serial number) of the certificate of its first request."""
        return self.requests[0].certificate if self.requests else None

    def requests_in(self, state: TransactionState) -> tuple[TransactionRequest, ...]:
        """Its requests in another state, waiting for nothing."""
        return tuple([TransactionRequest(one.cert_req_id, state, one.certificate) for one in self.requests])


EVERY_SERIAL = range(1 << 160)
"""Serial numbers: positive, and at most 20 octets (RFC 5280, section 4.1.2.2)."""


@quick_dataclass(frozen=True, slots=True)
class FailedAttempts:
    """What is known of one key of the throttle, as processes tell each other."""

    key: bytes
    """Stands for an end entity, a peer, or a pair of both."""
    failures: int
    """How many; where it is told, how many more than was told before, or fewer."""
    last: float
    """When the last one was, in seconds since the epoch."""
    turn: float | None = None
    """When a pair that was told to wait may try, in seconds since the epoch."""
    proved: bool = False
    """Whether a pair has proved the secret."""


@quick_dataclass(frozen=True, slots=True)
class StoredCRL:
    """The latest CRL of one CA, complete for the serial numbers of its partition."""

    ca: str
    partition: int
    number: int
    der: bytes
    this_update: int
    next_update: int


@quick_dataclass(frozen=True, slots=True)
class OwedCRL:
    """A certificate whose state no CRL of its CA says yet."""

    number: int
    """What it is settled by."""
    ca: str
    serial: int


@quick_dataclass(frozen=True, slots=True)
class CRLHead:
    """What is to be known of a stored CRL without reading it."""

    partition: int
    number: int
    this_update: int
    next_update: int
    octets: int


@quick_dataclass(frozen=True, slots=True)
class Act:
    """Who does something, and when, as the audit has it."""

    actor: str
    """As in `AuditEvent`."""
    time: int
    """Seconds since the epoch."""


@quick_dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act to be written down. The store gives it its place in the hash chain."""

    time: int
    actor: str
    """``entity:<id>``, ``operator:<login>``, ``client:<id>``, ``peer:<address>`` or ``cmpd``."""
    action: str
    """Noun and verb: ``certificate.issue``, ``entity.add``, ``request.refuse`` …"""
    subject: str
    """To what: ``certificate:<ca>/<serial hex>``, ``entity:<id>``, ``policy:<id>`` …"""
    outcome: str = "ok"
    """``ok``, or the name of the failure (a PKIFailureInfo name where there is one)."""
    detail: dict[str, Any] = field(default_factory=dict)


@quick_dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event in its place: ``hash`` covers the event and the hash before it in its chain."""

    chain: str
    sequence: int
    event: AuditEvent
    hash: bytes
