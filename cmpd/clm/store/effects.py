"""What each change does, once for all engines: a table from the type of a change to its steps.

An effect is a generator that performs no I/O itself: it yields a statement with its parameters and is
sent what came of it, a list of rows for a query and the number of rows touched for a write. The engine
drives it within a database transaction, and undoes the unit where the effect raises Conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cmpd.canonical import json_text
from cmpd.clm.audit import START, ChainHead, chain_hash
from cmpd.clm.model import Entity, FailedAttempts
from cmpd.clm.pkix.identities import identity_key
from cmpd.clm.store import changes
from cmpd.clm.store.base import Conflict
from cmpd.clm.store.rows import (
    Row,
    attempts_row,
    certificate_row,
    entity_row,
    milliseconds,
    moving,
    serial_key,
    transaction_row,
)
from cmpd.clm.store.sql import Statements
from cmpd.clm.store.transaction_json import detail_text

Effect = Generator[tuple[str, Row], Any, None]


@dataclass(slots=True)
class BatchTotals:
    """What many changes of one database transaction add to, and is written once: the end of the audit
    chain, and how many certificates there are."""

    chain: str
    head: ChainHead | None = None
    """None: not read yet."""
    grown: bool = False
    counts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(CA, policy or empty, state) → how many more."""

    def count(self, ca: str, policy: str | None, state: str, amount: int) -> None:
        """Note that there are so many more."""
        key = (ca, policy or "", str(state))
        self.counts[key] = self.counts.get(key, 0) + amount

    def copy(self) -> BatchTotals:
        """To go back to where a unit is undone."""
        return replace(self, counts=dict(self.counts))


@dataclass(frozen=True, slots=True)
class Probe:
    """Write something that means nothing, to see that writing works."""


@dataclass(slots=True)
class Forget:
    """Delete closed transactions whose `expires` is before `now`."""

    now: int
    limit: int
    forgotten: int = 0
    """How many there were, once the unit is committed."""


@dataclass(frozen=True, slots=True)
class NoteAttempts:
    """Add to what is known of failed attempts, and let go of what ended before `since`, in seconds since
    the epoch, and of what is more than `MOST_ATTEMPTS` rows: those that changed longest ago."""

    told: Sequence[FailedAttempts]
    since: float


MOST_ATTEMPTS = 10_000


def close_book(sql: Statements, book: BatchTotals) -> Effect:
    """To be run before the database transaction is committed."""
    if book.grown and book.head is not None:
        yield sql.put_audit_head, (book.chain, book.head.sequence, book.head.hash)
    for key, amount in book.counts.items():
        if amount:
            yield sql.count_certificates, (*key, amount)


def _put_object(sql: Statements, book: BatchTotals, change: changes.PutObject) -> Effect:
    stored = change.object
    holders = yield sql.object_holding_name, (str(stored.kind), stored.name, stored.id)
    if holders:
        raise Conflict("name", f"another {stored.kind} has the name {stored.name} already")
    document = json_text(stored.document)
    if stored.version == 0:
        written = yield sql.add_object, (str(stored.kind), stored.id, stored.name, document)
        if not written:
            raise Conflict("version", f"there is a {stored.kind} {stored.id} already")
    else:
        written = yield (
            sql.update_object,
            (str(stored.kind), stored.id, stored.name, document, stored.version),
        )
        if not written:
            raise Conflict("version", f"{stored.kind} {stored.name} was changed in the meantime; try again")
    yield sql.count_configuration_change, ()


def _delete_object(sql: Statements, book: BatchTotals, change: changes.DeleteObject) -> Effect:
    deleted = yield sql.delete_object, (str(change.kind), change.id, change.version)
    if not deleted:
        raise Conflict("version", f"{change.kind} {change.id} was changed or deleted in the meantime")
    yield sql.count_configuration_change, ()


def _add_entity(sql: Statements, book: BatchTotals, change: changes.AddEntity) -> Effect:
    added = yield sql.add_entity, entity_row(change.entity)
    if not added:
        raise Conflict("entity", f"there is an end entity {change.entity.id} already")
    yield from _add_names(sql, change.entity)


def _add_names(sql: Statements, entity: Entity) -> Effect:
    for reference in entity.references:
        added = yield sql.add_reference, (reference, entity.id)
        if not added:
            raise Conflict("reference", f"the reference {reference.hex()} is taken by another end entity")
    for one in entity.identities:
        key = identity_key(one.kind, one.value)
        added = yield sql.add_identity, (one.kind, key, one.anchor, entity.id)
        if not added:
            raise Conflict("identity", f"the {one.kind} {one.value} is taken by another end entity")


def _update_entity(sql: Statements, book: BatchTotals, change: changes.UpdateEntity) -> Effect:
    entity = change.entity
    updated = yield sql.update_entity, (*entity_row(entity), entity.version)
    if not updated:
        raise Conflict("version", f"end entity {entity.id} was changed or deleted in the meantime")
    yield sql.delete_references, (entity.id,)
    yield sql.delete_identities, (entity.id,)
    yield from _add_names(sql, entity)


def _delete_entity(sql: Statements, book: BatchTotals, change: changes.DeleteEntity) -> Effect:
    deleted = yield sql.delete_entity, (change.id, change.version)
    if not deleted:
        raise Conflict("version", f"end entity {change.id} was changed or deleted in the meantime")
    yield sql.delete_references, (change.id,)
    yield sql.delete_identities, (change.id,)


def _use_password(sql: Statements, book: BatchTotals, change: changes.UsePassword) -> Effect:
    used = yield sql.use_password, (change.entity,)
    if not used:
        rows = yield sql.password_uses, (change.entity,)
        if rows != [(None,)]:
            raise Conflict("password", f"the password of end entity {change.entity} is used up")


def _open_transaction(sql: Statements, book: BatchTotals, change: changes.OpenTransaction) -> Effect:
    opened = yield sql.open_transaction, transaction_row(change.transaction)
    if not opened:
        raise Conflict("transaction", f"the transactionID {change.transaction.id.hex()} is in use")


def _advance_transaction(sql: Statements, book: BatchTotals, change: changes.AdvanceTransaction) -> Effect:
    row = moving(transaction_row(change.transaction))
    detail = None if change.before is None else detail_text(change.before)
    advanced = yield sql.advance_transaction, (*row, str(change.expected), change.expected_nonce, detail)
    if not advanced:
        raise Conflict(
            "transaction", f"transaction {change.transaction.id.hex()} has moved on from {change.expected}"
        )


def _decide_transaction(sql: Statements, book: BatchTotals, change: changes.DecideTransaction) -> Effect:
    decided, before = change.transaction, change.before
    values = (decided.id, str(decided.state), detail_text(decided))
    held = (str(before.state), detail_text(before), change.time)
    if not (yield sql.decide_transaction, (*values, *held)):
        raise Conflict(
            "transaction", f"transaction {decided.id.hex()} was decided on meanwhile, or has expired"
        )


def _add_certificate(sql: Statements, book: BatchTotals, change: changes.AddCertificate) -> Effect:
    certificate = change.certificate
    added = yield sql.add_certificate, certificate_row(certificate)
    if not added:
        raise Conflict(
            "serial", f"CA {certificate.ca} has issued the serial number {certificate.serial:x} already"
        )
    book.count(certificate.ca, certificate.policy, certificate.state, 1)


def _set_certificate_state(sql: Statements, book: BatchTotals, change: changes.SetCertificateState) -> Effect:
    key = (change.ca, serial_key(change.serial))
    before: str | None = change.expected[0]
    if len(change.expected) > 1:
        rows = yield sql.certificate_state, key
        before = next((state for state, _ in rows if state in change.expected), None)
    moved = 0
    if before is not None:
        told = (str(before), str(change.state), change.revoked, change.reason, change.held_by)
        moved = yield sql.set_certificate_state, (*key, *told)
    if before is None or not moved:
        raise Conflict(
            "state",
            f"certificate {change.serial:x} of CA {change.ca} is not {' or '.join(change.expected)}",
        )
    book.count(change.ca, change.policy, before, -1)
    book.count(change.ca, change.policy, change.state, 1)
    if change.is_on_crl:
        yield sql.owe_crl, key


def _assign_certificate(sql: Statements, book: BatchTotals, change: changes.AssignCertificate) -> Effect:
    assigned = yield sql.assign_certificate, (change.ca, serial_key(change.serial), change.entity)
    if not assigned:
        raise Conflict(
            "state", f"certificate {change.serial:x} of CA {change.ca} is not there, or has an end entity"
        )


def _archive_certificate(sql: Statements, book: BatchTotals, change: changes.ArchiveCertificate) -> Effect:
    key = (change.ca, serial_key(change.serial))
    archived = yield sql.archive_certificate, (*key, change.ended_before)
    if not archived:
        raise Conflict(
            "state", f"certificate {change.serial:x} of CA {change.ca} is not there, or has not ended"
        )
    ((state, policy),) = yield sql.certificate_state, key
    yield sql.delete_certificate, key
    book.count(change.ca, policy, state, -1)


def _limit_active(sql: Statements, book: BatchTotals, change: changes.LimitActive) -> Effect:
    yield sql.lock_entity, (change.entity,)
    ca, serial = change.excluding or (None, None)
    rows = yield (
        sql.count_active,
        (change.entity, change.policy, change.after, ca, None if serial is None else serial_key(serial)),
    )
    held = rows[0][0]
    if held > change.most:
        raise Conflict(
            "limit",
            f"end entity {change.entity} holds {held} active certificates under policy {change.policy}, "
            f"and may hold {change.most} before another is issued",
        )


def _put_crl(sql: Statements, book: BatchTotals, change: changes.PutCRL) -> Effect:
    crl = change.crl
    written = yield (
        sql.put_crl,
        (crl.ca, crl.partition, crl.number, crl.der, crl.this_update, crl.next_update),
    )
    if not written:
        raise Conflict("crl", f"the store has CRL {crl.number} of CA {crl.ca}, or a later one, already")
    for number in change.settles:
        yield sql.settle_crl, (number,)


def _audit(sql: Statements, book: BatchTotals, change: changes.Audit) -> Effect:
    if book.head is None:
        rows = yield sql.audit_head, (book.chain,)
        book.head = ChainHead(*rows[0]) if rows else ChainHead(0, START)
    event, sequence = change.event, book.head.sequence + 1
    hash_ = chain_hash(book.head.hash, book.chain, sequence, event)
    detail = json_text(event.detail) if event.detail else "{}"
    place = (book.chain, sequence)
    yield (
        sql.add_audit,
        (*place, event.time, event.actor, event.action, event.subject, event.outcome, detail, hash_),
    )
    book.head, book.grown = ChainHead(sequence, hash_), True


def _probe(sql: Statements, book: BatchTotals, change: Probe) -> Effect:
    yield sql.probe, ()


def _forget(sql: Statements, book: BatchTotals, change: Forget) -> Effect:
    change.forgotten = yield sql.forget_transactions, (change.now, change.limit)


def _note_attempts(sql: Statements, book: BatchTotals, change: NoteAttempts) -> Effect:
    since = milliseconds(change.since)
    yield sql.count_attempts_change, ()
    for one in change.told:
        yield sql.note_attempts, (*attempts_row(one), since)
    yield sql.forget_attempts, (since,)
    yield sql.crowd_out_attempts, (MOST_ATTEMPTS,)


EFFECTS: Mapping[type, Callable[[Statements, BatchTotals, Any], Effect]] = {
    changes.PutObject: _put_object,
    changes.DeleteObject: _delete_object,
    changes.AddEntity: _add_entity,
    changes.UpdateEntity: _update_entity,
    changes.DeleteEntity: _delete_entity,
    changes.UsePassword: _use_password,
    changes.OpenTransaction: _open_transaction,
    changes.AdvanceTransaction: _advance_transaction,
    changes.DecideTransaction: _decide_transaction,
    changes.AddCertificate: _add_certificate,
    changes.SetCertificateState: _set_certificate_state,
    changes.AssignCertificate: _assign_certificate,
    changes.ArchiveCertificate: _archive_certificate,
    changes.LimitActive: _limit_active,
    changes.PutCRL: _put_crl,
    changes.Audit: _audit,
    Probe: _probe,
    Forget: _forget,
    NoteAttempts: _note_attempts,
}
