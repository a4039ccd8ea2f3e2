"""The columns of the tables, each named once: they are the fields of the records, in their order.

Every statement, every copy and every way between rows and records (`rows`) takes its columns from here. So
a new field of a record that is stored is a new column, and needs a migration (`schema`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TypeAlias

from cmpd.clm.model import (
    AuditEvent,
    AuditRecord,
    Certificate,
    CRLHead,
    Entity,
    FailedAttempts,
    StoredCRL,
    StoredObject,
    Transaction,
)

Columns: TypeAlias = tuple[str, ...]


def _columns(record: type, **stored_as: Columns) -> Columns:
    """The fields' names; `stored_as`: those that are stored under another name, or in several columns."""
    names = (stored_as.get(field.name, (field.name,)) for field in fields(record))
    return tuple(column for some in names for column in some)


def spans(*groups: Columns) -> Iterator[slice]:
    """Where each group of columns stands in a row that has them one after the other."""
    start = 0
    for columns in groups:
        yield slice(start, start + len(columns))
        start += len(columns)


OBJECT_COLUMNS = _columns(StoredObject)
ENTITY_COLUMNS = _columns(Entity, references=("reference_list",), identities=("identity_list",))
ENTITY_COLUMNS_WRITTEN = tuple(column for column in ENTITY_COLUMNS if column != "version")
"""The version counts itself."""
REFERENCE_COLUMNS = ("reference", "entity")
IDENTITY_COLUMNS = ("kind", "key", "anchor", "entity")
CERTIFICATE_COLUMNS = _columns(
    Certificate, transaction=("transaction_id",), replaces=("replaces_ca", "replaces_serial")
)
CRL_COLUMNS = _columns(StoredCRL)
CRL_HEAD_COLUMNS = _columns(CRLHead, octets=("length(der)",))
TRANSACTION_COLUMNS = _columns(
    Transaction, requests=("ca", "serial"), message=("request",), profile=(), signer=("detail",)
)
MOVING_COLUMNS = (
    "id", "state", "expires", "last_digest", "last_response", "server_nonce", "ca", "serial", "request",
    "detail",
)  # fmt: skip
"""A transaction's id, and what changes as it goes on."""
ATTEMPTS_COLUMNS = _columns(FailedAttempts)
AUDIT_HEAD_COLUMNS = ("chain", "sequence", "hash")
AUDIT_COLUMNS = _columns(AuditRecord, event=_columns(AuditEvent))
