"""Records as rows: how values that SQL does not have are written; the columns' order is in `columns`.

Serial numbers are 20 octets, big endian (RFC 5280, section 4.1.2.2, allows no more), so that they sort
as numbers. JSON is text, canonical where it is hashed. An entity's references and identities stand in
its own row, which a request reads; the tables beside it only keep them unique and find them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from cmpd.canonical import json_text
from cmpd.clm.model import (
    AuditEvent,
    AuditRecord,
    Certificate,
    CertificateState,
    Entity,
    EntityState,
    FailedAttempts,
    Identity,
    ObjectKind,
    StoredCRL,
    StoredObject,
    Transaction,
    TransactionState,
)
from cmpd.clm.store.base import StoreError
from cmpd.clm.store.columns import (
    CERTIFICATE_COLUMNS,
    ENTITY_COLUMNS,
    ENTITY_COLUMNS_WRITTEN,
    MOVING_COLUMNS,
    TRANSACTION_COLUMNS,
    Columns,
)
from cmpd.clm.store.transaction_json import detail_text, read_detail

Row = tuple[Any, ...]

_SERIAL_OCTETS = 20
_NOTHING: tuple[()] = ()
_ENTITY_STATES = {str(state): state for state in EntityState}
_CERTIFICATE_STATES = {str(state): state for state in CertificateState}
_TRANSACTION_STATES = {str(state): state for state in TransactionState}


def _values(columns: Columns, **kept_in: str) -> Callable[[Any], Row]:
    """What gives a record's values in the order of the columns; `kept_in`: the attribute of each column that
    is not named like it."""
    return attrgetter(*(kept_in.get(column, column) for column in columns))


_entity_values = _values(
    ENTITY_COLUMNS_WRITTEN, state="state._value_", reference_list="references", identity_list="identities"
)
_ENTITY_STATE, _POLICIES, _REFERENCES, _IDENTITIES, _ATTRIBUTES = map(
    ENTITY_COLUMNS.index, ("state", "policies", "reference_list", "identity_list", "attributes")
)
_certificate_values = _values(
    CERTIFICATE_COLUMNS,
    transaction_id="transaction",
    state="state._value_",
    replaces_ca="replaces",
    replaces_serial="replaces",
)
_SERIAL, _STATE, _REPLACES_CA, _REPLACES_SERIAL = map(
    CERTIFICATE_COLUMNS.index, ("serial", "state", "replaces_ca", "replaces_serial")
)
_transaction_values = _values(
    TRANSACTION_COLUMNS, state="state._value_", ca="state", serial="state", request="message", detail="state"
)
_TRANSACTION_STATE, _TRANSACTION_CA, _TRANSACTION_SERIAL, _MESSAGE, _DETAIL = map(
    TRANSACTION_COLUMNS.index, ("state", "ca", "serial", "request", "detail")
)
moving: Callable[[Row], Row] = itemgetter(*map(TRANSACTION_COLUMNS.index, MOVING_COLUMNS))
"""Those of the columns of `transactions` that change, from `transaction_row`."""


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


def object_of(row: Sequence[Any]) -> StoredObject:
    """From the columns of `objects`."""
    kind, id, name, document, version = row
    return StoredObject(ObjectKind(kind), id, name, json.loads(document), version)


def _identity_row(identity: Identity) -> tuple[str, ...]:
    anchor = (identity.anchor,) if identity.anchor else ()
    return (identity.kind, identity.value, *anchor)


def entity_row(entity: Entity) -> Row:
    """The columns of `entities` but the version."""
    values = list(_entity_values(entity))
    values[_POLICIES] = json_text(entity.policies) if entity.policies else "[]"
    values[_REFERENCES] = (
        json_text([reference.hex() for reference in entity.references]) if entity.references else "[]"
    )
    identities = [_identity_row(one) for one in entity.identities]
    values[_IDENTITIES] = json_text(identities) if identities else "[]"
    values[_ATTRIBUTES] = _json_of_dict(entity.attributes)
    return tuple(values)


def entity_of(row: Sequence[Any]) -> Entity:
    """From the columns of `entities`."""
    values = list(row)
    values[_ENTITY_STATE] = _ENTITY_STATES[row[_ENTITY_STATE]]
    policies, references, identities = row[_POLICIES], row[_REFERENCES], row[_IDENTITIES]
    values[_POLICIES] = tuple(json.loads(policies)) if policies != "[]" else _NOTHING
    values[_REFERENCES] = (
        tuple(map(bytes.fromhex, json.loads(references))) if references != "[]" else _NOTHING
    )
    values[_IDENTITIES] = (
        tuple(Identity(*one) for one in json.loads(identities)) if identities != "[]" else _NOTHING
    )
    values[_ATTRIBUTES] = _dict_of_json(row[_ATTRIBUTES])
    return Entity(*values)


def certificate_row(certificate: Certificate) -> Row:
    """The columns of `certificates`. Raises StoreError."""
    values = list(_certificate_values(certificate))
    values[_SERIAL] = _required_serial(certificate.serial)
    if certificate.replaces is not None:
        values[_REPLACES_CA], replaced = certificate.replaces
        values[_REPLACES_SERIAL] = _required_serial(replaced)
    return tuple(values)


def certificate_of(row: Sequence[Any]) -> Certificate:
    """From the columns of `certificates`."""
    values = list(row)
    values[_SERIAL] = serial_of(row[_SERIAL])
    values[_STATE] = _CERTIFICATE_STATES[row[_STATE]]
    if row[_REPLACES_CA] is not None:
        values[_REPLACES_CA] = row[_REPLACES_CA], serial_of(row[_REPLACES_SERIAL])
    del values[_REPLACES_SERIAL]  # one field for both columns
    return Certificate(*values)


def transaction_row(transaction: Transaction) -> Row:
    """The columns of `transactions`. Raises StoreError."""
    values = list(_transaction_values(transaction))
    requests = transaction.requests
    certificate = requests[0].certificate if requests else None
    values[_TRANSACTION_CA] = certificate[0] if certificate else None
    values[_TRANSACTION_SERIAL] = _required_serial(certificate[1]) if certificate else None
    values[_DETAIL] = detail_text(transaction)
    return tuple(values)


def transaction_of(row: Sequence[Any]) -> Transaction:
    """From the columns of `transactions`."""
    state, serial = _TRANSACTION_STATES[row[_TRANSACTION_STATE]], row[_TRANSACTION_SERIAL]
    certificate = None if serial is None else (row[_TRANSACTION_CA], serial_of(serial))
    requests, profile, signer = read_detail(row[_DETAIL], state, certificate)
    values = [*row[:_TRANSACTION_CA], requests, row[_MESSAGE], profile, signer]
    values[_TRANSACTION_STATE] = state
    return Transaction(*values)


def crl_of(row: Sequence[Any]) -> StoredCRL:
    """From the columns of `crls`."""
    return StoredCRL(*row)


def audit_of(row: Sequence[Any]) -> AuditRecord:
    """From the columns of `audit`."""
    chain, sequence, time, actor, action, subject, outcome, detail, hash_ = row
    event = AuditEvent(time, actor, action, subject, outcome, _dict_of_json(detail))
    return AuditRecord(chain, sequence, event, hash_)


def milliseconds(seconds: float) -> int:
    """A time as tables have it that need more than whole seconds."""
    return int(seconds * 1000)


def attempts_row(attempts: FailedAttempts) -> Row:
    turn = None if attempts.turn is None else milliseconds(attempts.turn)
    return attempts.key, attempts.failures, milliseconds(attempts.last), turn, int(attempts.proved)


def attempts_of(row: Sequence[Any]) -> FailedAttempts:
    key, failures, last, turn, proved = row
    return FailedAttempts(key, failures, last / 1000, None if turn is None else turn / 1000, bool(proved))
