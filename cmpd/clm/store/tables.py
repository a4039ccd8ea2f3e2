"""The tables as a copy sees them: what to read in which order, and how each engine takes it in.

Only what cannot be made anew is copied; row numbers, counts of certificates, commit tokens and the change
counter belong to the store they are in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cmpd.clm.store.columns import (
    AUDIT_COLUMNS,
    AUDIT_HEAD_COLUMNS,
    CERTIFICATE_COLUMNS,
    CRL_COLUMNS,
    ENTITY_COLUMNS,
    IDENTITY_COLUMNS,
    OBJECT_COLUMNS,
    REFERENCE_COLUMNS,
    TRANSACTION_COLUMNS,
    Columns,
)
from cmpd.clm.store.dialect import Listed

COUNT_CERTIFICATES = """
    INSERT INTO certificate_counts (ca, policy, state, amount)
    SELECT ca, coalesce(policy, ''), state, count(*) FROM certificates GROUP BY 1, 2, 3"""
"""Of a store that has none counted yet, for both engines."""

_COUNT: Final = "SELECT count(*) FROM {name}"
_SELECT: Final = "SELECT {columns} FROM {name} ORDER BY {order}"
_INSERT: Final = "INSERT INTO {name} ({columns}) VALUES ({columns.values})"
_COPY: Final = "COPY {name} ({columns}) FROM STDIN"


@dataclass(frozen=True, slots=True)
class Table:
    """One table, in an order that both engines agree on."""

    name: str
    columns: Columns
    order: str
    afterwards: str | None = None
    """For both engines: what follows from the rows."""

    def _statement(self, template: str) -> str:
        return template.format(name=self.name, columns=Listed(self.columns), order=self.order)

    @property
    def count(self) -> str:
        """For both engines."""
        return self._statement(_COUNT)

    @property
    def select(self) -> str:
        """For both engines."""
        return self._statement(_SELECT)

    @property
    def insert(self) -> str:
        """For SQLite."""
        return self._statement(_INSERT)

    @property
    def copy(self) -> str:
        """For PostgreSQL."""
        return self._statement(_COPY)


TABLES = (
    Table("objects", OBJECT_COLUMNS, "kind, id"),
    Table("entities", ENTITY_COLUMNS, "id"),
    Table("entity_references", REFERENCE_COLUMNS, "reference"),
    Table("entity_identities", IDENTITY_COLUMNS, "kind, key, anchor"),
    Table("certificates", CERTIFICATE_COLUMNS, "number", COUNT_CERTIFICATES),
    Table("archived_certificates", CERTIFICATE_COLUMNS, "number"),
    Table("crls", CRL_COLUMNS, "ca, partition"),
    Table("owed_crls", ("ca", "serial"), "number"),
    Table("transactions", TRANSACTION_COLUMNS, "id"),
    Table("audit", AUDIT_COLUMNS, "chain, sequence"),
    Table("audit_heads", AUDIT_HEAD_COLUMNS, "chain"),
)
