"""Records as rows: the order of columns, and how values that SQL does not have are written.

Serial numbers are 20 octets, big endian (RFC 5280, section 4.1.2.2, allows no more), so that they sort
as numbers. JSON is text, canonical where it is hashed. An entity's references and identities stand in
its own row, which a request reads; the tables beside it only keep them unique and find them.
"""

from __future__ import annotations

import json
from typing import Any

from cmpd.clm.model import (
    AuditEvent,
    AuditRecord,
    Certificate,
    CertificateState,
    Entity,
    EntityState,
    FailedAttempts,
    Identity,
    Kind,
    StoredCRL,
    StoredObject,
    Transaction,
    TransactionState,
)
from cmpd.clm.store.base import StoreError

Row = tuple[Any, ...]

_SERIAL_OCTETS = 20
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_NOTHING: tuple[()] = ()
_ENTITY_STATES = {str(state): state for state in EntityState}
_CERTIFICATE_STATES = {str(state): state for state in CertificateState}
_TRANSACTION_STATES = {str(state): state for state in TransactionState}


def json_text(value: Any) -> str:
    """JSON in one spelling: keys sorted, no blanks, ASCII."""
    return _canonical(value)


def _json_of_dict(value: dict[str, Any]) -> str:
    return json_text(value) if value else "{}"


def _dict_of_json(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text) if text != "{}" else {}
    return value


def serial_key(serial: int) -> bytes | None:
    """A serial number as it is stored; None for one that no certificate here can have."""
    try:
        return serial.to_bytes(_SERIAL_OCTETS, "big")
    except OverflowError:
        return None


def serial_of(key: bytes) -> int:
    """The number that `serial_key` stored."""
    return int.from_bytes(key, "big")


def _required_serial(serial: int) -> bytes:
    key = serial_key(serial)
    if key is None:
        raise StoreError(f"a serial number must be positive and at most {_SERIAL_OCTETS} octets: {serial:x}")
    return key


def object_of(row: Row) -> StoredObject:
    """From kind, id, name, document, version."""
    kind, id, name, document, version = row
    return StoredObject(Kind(kind), id, name, json.loads(document), version)


def _identity_row(identity: Identity) -> tuple[str, ...]:
    anchor = (identity.anchor,) if identity.anchor else ()
    return (identity.kind, identity.value, *anchor)


def entity_row(entity: Entity) -> Row:
    """All columns of `entities` but the version."""
    return (
        entity.id,
        entity.name,
        str(entity.state),
        entity.password,
        entity.password_expires,
        entity.password_uses,
        json_text(entity.policies) if entity.policies else "[]",
        json_text([reference.hex() for reference in entity.references]) if entity.references else "[]",
        json_text([_identity_row(one) for one in entity.identities]) if entity.identities else "[]",
        _json_of_dict(entity.attributes),
        entity.created,
    )


def entity_of(row: Row) -> Entity:
    """From `entity_row`'s columns and the version."""
    (
        id,
        name,
        state,
        password,
        expires,
        uses,
        policies,
        references,
        identities,
        attributes,
        created,
        version,
    ) = row
    return Entity(
        id,
        name,
        _ENTITY_STATES[state],
        password,
        expires,
        uses,
        tuple(json.loads(policies)) if policies != "[]" else _NOTHING,
        tuple(map(bytes.fromhex, json.loads(references))) if references != "[]" else _NOTHING,
        tuple(Identity(*one) for one in json.loads(identities)) if identities != "[]" else _NOTHING,
        _dict_of_json(attributes),
        created,
        version,
    )


def certificate_row(certificate: Certificate) -> Row:
    """All columns of `certificates` but the row's number. Raises StoreError."""
    replaced_ca, replaced_serial = certificate.replaces or (None, None)
    return (
        certificate.ca,
        _required_serial(certificate.serial),
        certificate.der,
        certificate.subject,
        certificate.not_before,
        certificate.not_after,
        certificate.key_id,
        certificate.key_hash,
        certificate.entity,
        certificate.policy,
        certificate.transaction,
        str(certificate.state),
        certificate.issued,
        certificate.revoked,
        certificate.reason,
        replaced_ca,
        None if replaced_serial is None else _required_serial(replaced_serial),
        certificate.requested_by,
        certificate.held_by,
    )


def certificate_of(row: Row) -> Certificate:
    """From `certificate_row`'s columns."""
    replaced_ca, replaced_serial = row[15:17]
    return Certificate(
        row[0],
        serial_of(row[1]),
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        _CERTIFICATE_STATES[row[11]],
        row[12],
        row[13],
        row[14],
        None if replaced_ca is None else (replaced_ca, serial_of(replaced_serial)),
        row[17],
        row[18],
    )


def transaction_row(transaction: Transaction) -> Row:
    """All columns of `transactions`. Raises StoreError."""
    return (
        transaction.id,
        str(transaction.state),
        transaction.body,
        transaction.party,
        transaction.policy,
        transaction.entity,
        transaction.opened,
        transaction.expires,
        transaction.first_digest,
        transaction.first_response,
        transaction.last_digest,
        transaction.last_response,
        transaction.server_nonce,
        transaction.ca,
        None if transaction.serial is None else _required_serial(transaction.serial),
        transaction.request,
        _json_of_dict(transaction.detail),
    )


def transaction_of(row: Row) -> Transaction:
    """From `transaction_row`'s columns."""
    return Transaction(
        row[0],
        _TRANSACTION_STATES[row[1]],
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
        row[13],
        None if row[14] is None else serial_of(row[14]),
        row[15],
        _dict_of_json(row[16]),
    )


def crl_of(row: Row) -> StoredCRL:
    """From ca, partition, number, der, this_update, next_update."""
    return StoredCRL(*row)


def audit_of(row: Row) -> AuditRecord:
    """From chain, sequence, time, actor, action, subject, outcome, detail, hash."""
    chain, sequence, time, actor, action, subject, outcome, detail, hash_ = row
    event = AuditEvent(time, actor, action, subject, outcome, _dict_of_json(detail))
    return AuditRecord(chain, sequence, event, hash_)


def milliseconds(seconds: float) -> int:
    """A time as tables have it that need more than whole seconds."""
    return int(seconds * 1000)


def attempts_row(attempts: FailedAttempts) -> Row:
    turn = None if attempts.turn is None else milliseconds(attempts.turn)
    return attempts.key, attempts.failures, milliseconds(attempts.last), turn, int(attempts.proved)


def attempts_of(row: Row) -> FailedAttempts:
    key, failures, last, turn, proved = row
    return FailedAttempts(key, failures, last / 1000, None if turn is None else turn / 1000, bool(proved))
