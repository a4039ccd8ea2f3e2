"""What can be done to the store: each change is data, and a unit of them is done whole or not at all.

A request handler reads, decides, collects its changes in one unit, and commits it; the store may put
many units into one database transaction and share its sync. A change that finds the store other than
it expects raises `Conflict`, which undoes its own unit and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cmpd.clm.model import (
    Act,
    AuditEvent,
    Certificate,
    CertificateState,
    Entity,
    ObjectKind,
    StoredCRL,
    StoredObject,
    Transaction,
    TransactionState,
)
from cmpd.records import quick_dataclass


@quick_dataclass(frozen=True, slots=True)
class PutObject:
    """Write a configuration document. `object.version` is the version that was read, 0 for a new one.

    Conflicts: ``version`` (somebody else wrote it, or it exists already), ``name``.
    """

    object: StoredObject


@quick_dataclass(frozen=True, slots=True)
class DeleteObject:
    """Conflicts: ``version``."""

    kind: ObjectKind
    id: str
    version: int


@quick_dataclass(frozen=True, slots=True)
class AddEntity:
    """Conflicts: ``entity`` (the id exists), ``reference``, ``identity`` (taken by another)."""

    entity: Entity


@quick_dataclass(frozen=True, slots=True)
class UpdateEntity:
    """Replace an entity whole. Conflicts: ``version``, ``reference``, ``identity``."""

    entity: Entity


@quick_dataclass(frozen=True, slots=True)
class DeleteEntity:
    """Conflicts: ``version``."""

    id: str
    version: int


@quick_dataclass(frozen=True, slots=True)
class UsePassword:
    """Count one use of a password that has a bound. Conflicts: ``password`` (used up)."""

    entity: str


@quick_dataclass(frozen=True, slots=True)
class OpenTransaction:
    """Conflicts: ``transaction`` (the id is in use)."""

    transaction: Transaction


@quick_dataclass(frozen=True, slots=True)
class AdvanceTransaction:
    """Write a transaction's next state: its state, expires, last_digest, last_response, server_nonce,
    requests and message; the rest belongs to its first message and stays. Conflicts: ``transaction`` (it is
    not in `expected` any more, or its server_nonce is not `expected_nonce`, or its requests are not those of
    `before`)."""

    transaction: Transaction
    expected: TransactionState
    expected_nonce: bytes
    before: Transaction | None = None
    """None: whatever its requests are."""


@quick_dataclass(frozen=True, slots=True)
class DecideTransaction:
    """Write what an operator decided of a transaction: its state and its requests, and nothing that belongs
    to messages, so that a device that polls meanwhile neither hinders it nor undoes it. Conflicts:
    ``transaction`` (its state or requests are not those of `before`, or it expired before `time`)."""

    transaction: Transaction
    before: Transaction
    time: int
    """Of the decision, in seconds since the epoch."""


@quick_dataclass(frozen=True, slots=True)
class AddCertificate:
    """Conflicts: ``serial``."""

    certificate: Certificate


@quick_dataclass(frozen=True, slots=True)
class SetCertificateState:
    """Change a certificate's state. Conflicts: ``state`` (it is not in one of `expected`)."""

    ca: str
    serial: int
    policy: str | None
    """The certificate's, by which it is counted."""
    expected: tuple[CertificateState, ...]
    state: CertificateState
    revoked: int | None = None
    reason: int | None = None
    held_by: str | None = None
    """Who puts it on hold."""

    @property
    def is_on_crl(self) -> bool:
        """Whether it puts the certificate on the CRL or takes it from there: then a CRL is owed."""
        return self.state is not CertificateState.ACTIVE or CertificateState.ON_HOLD in self.expected


@quick_dataclass(frozen=True, slots=True)
class AssignCertificate:
    """Give a certificate that has no end entity, or one that was deleted, to an end entity. Conflicts:
    ``state`` (it is not there, or has one)."""

    ca: str
    serial: int
    entity: str


@quick_dataclass(frozen=True, slots=True)
class ArchiveCertificate:
    """Move a certificate that ended before `ended_before` out of the way of requests, to where only
    `Store.archived_certificates` looks. Conflicts: ``state`` (it is not there, or ends later)."""

    ca: str
    serial: int
    ended_before: int


@quick_dataclass(frozen=True, slots=True)
class LimitActive:
    """Demand that the entity has at most `most` certificates under the policy that are active, on hold or
    unconfirmed, end after `after`, and are not `excluding`. Conflicts: ``limit``. It counts what the
    changes before it left, so it goes before the unit's AddCertificate. Two units for the same entity
    are judged one after the other, whatever the node."""

    entity: str
    policy: str
    most: int
    after: int
    excluding: tuple[str, int] | None = None


@quick_dataclass(frozen=True, slots=True)
class PutCRL:
    """Conflicts: ``crl`` (the store has this number or a later one)."""

    crl: StoredCRL
    settles: tuple[int, ...] = ()
    """The numbers of what was owed (`Store.owed`), and is said by this CRL."""


@quick_dataclass(frozen=True, slots=True)
class Audit:
    """Append to this store's (or node's) audit chain."""

    event: AuditEvent


def audited(act: Act, action: str, subject: str, outcome: str = "ok", /, **detail: Any) -> Audit:
    """The change that writes an act down: `action`, `subject` and `outcome` as in `AuditEvent`; `detail`
    may hold whatever JSON can."""
    return Audit(AuditEvent(act.time, act.actor, action, subject, outcome, detail))


Change = (
    PutObject
    | DeleteObject
    | AddEntity
    | UpdateEntity
    | DeleteEntity
    | UsePassword
    | OpenTransaction
    | AdvanceTransaction
    | DecideTransaction
    | AddCertificate
    | SetCertificateState
    | AssignCertificate
    | ArchiveCertificate
    | LimitActive
    | PutCRL
    | Audit
)
Unit = Sequence[Change]
