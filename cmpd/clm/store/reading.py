"""The reads of the store, once for all engines.

Lists are read a page at a time, each page by its own query from where the last one ended: no query stays
open between pages, so a long list neither holds a snapshot nor keeps the event loop for long. A list sees
each record as it was when its page was read.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import ClassVar

from cmpd.clm.audit import ChainHead
from cmpd.clm.model import (
    EVERY_SERIAL,
    AuditRecord,
    Certificate,
    CRLHead,
    Entity,
    FailedAttempts,
    ObjectKind,
    OwedCRL,
    StoredCRL,
    StoredObject,
    Transaction,
    TransactionState,
)
from cmpd.clm.store.base import CertificateQuery, RequestState
from cmpd.clm.store.columns import CERTIFICATE_COLUMNS, ENTITY_COLUMNS, TRANSACTION_COLUMNS, spans
from cmpd.clm.store.rows import (
    Row,
    attempts_of,
    audit_of,
    certificate_of,
    crl_of,
    entity_of,
    object_of,
    serial_key,
    serial_of,
    transaction_of,
)
from cmpd.clm.store.sql import Statements

PAGE = 500
"""Rows a query gives at a time: some milliseconds of work."""

_, _TRANSACTION, _CERTIFICATE, _ENTITY = spans(
    ("value",), TRANSACTION_COLUMNS, CERTIFICATE_COLUMNS, ENTITY_COLUMNS
)
"""What the row of `request_state` consists of."""
_HELD, _HOLDER = spans(CERTIFICATE_COLUMNS, ENTITY_COLUMNS)
"""What the row of `holder` consists of."""


class Reading(ABC):
    """Reads by an engine's statements; the engine says how to run one."""

    sql: ClassVar[Statements]

    @abstractmethod
    async def rows(self, statement: str, parameters: Row) -> list[Row]:
        """What a query gives, of all that was committed before. Raises StoreUnavailable, StoreCorrupt."""

    async def _row(self, statement: str, parameters: Row) -> Row | None:
        rows = await self.rows(statement, parameters)
        return rows[0] if rows else None

    async def request_state(self, transaction: bytes, entity: str) -> RequestState:
        (row,) = await self.rows(self.sql.request_state, (transaction, entity))
        return RequestState(
            row[0],
            transaction_of(row[_TRANSACTION]) if row[_TRANSACTION.start] is not None else None,
            certificate_of(row[_CERTIFICATE]) if row[_CERTIFICATE.start] is not None else None,
            entity_of(row[_ENTITY]) if row[_ENTITY.start] is not None else None,
        )

    async def change_counter(self) -> int:
        rows = await self.rows(self.sql.change_counter, ())
        return int(rows[0][0])

    async def objects(self, kind: ObjectKind) -> list[StoredObject]:
        return [object_of(row) for row in await self.rows(self.sql.objects, (str(kind),))]

    async def object(self, kind: ObjectKind, id_or_name: str) -> StoredObject | None:
        row = await self._row(self.sql.object, (str(kind), id_or_name))
        return object_of(row) if row else None

    async def entity(self, id: str) -> Entity | None:
        row = await self._row(self.sql.entity, (id,))
        return entity_of(row) if row else None

    async def entity_by_reference(self, reference: bytes) -> Entity | None:
        row = await self._row(self.sql.entity_by_reference, (reference,))
        return entity_of(row) if row else None

    async def entities_by_identity(self, kind: str, key: str) -> list[Entity]:
        return [entity_of(row) for row in await self.rows(self.sql.entities_by_identity, (kind, key))]

    async def entity_by_identity(self, kind: str, key: str, anchor: str) -> Entity | None:
        row = await self._row(self.sql.entity_by_identity, (kind, key, anchor))
        return entity_of(row) if row else None

    async def entities(self, search: str | None = None, after: str | None = None) -> AsyncIterator[Entity]:
        text = None if search is None else search.lower()
        in_hexadecimal = None if search is None else search.encode().hex()
        last = after or ""
        while rows := await self.rows(self.sql.entities, (last, text, in_hexadecimal, PAGE)):
            for row in rows:
                entity = entity_of(row)
                yield entity
            last = entity.id
            await asyncio.sleep(0)

    async def certificate(self, ca: str, serial: int) -> Certificate | None:
        row = await self._row(self.sql.certificate, (ca, serial_key(serial)))
        return certificate_of(row) if row else None

    async def holder(self, ca: str, serial: int) -> tuple[Certificate, Entity | None] | None:
        row = await self._row(self.sql.holder, (ca, serial_key(serial)))
        if row is None:
            return None
        holder = row[_HOLDER]
        return certificate_of(row[_HELD]), entity_of(holder) if holder[0] is not None else None

    async def certificates_by_key_id(self, key_id: bytes, most: int) -> list[Certificate]:
        rows = await self.rows(self.sql.certificates_by_key_id, (key_id, most))
        return [certificate_of(row) for row in rows]

    async def certificates(self, query: CertificateQuery) -> AsyncIterator[Certificate]:
        by_end = False
        if query.entity is not None:
            statement = self.sql.certificates_of_entity
        elif query.expires_before is not None:
            statement, by_end = self.sql.certificates_by_end, True
        else:
            statement = self.sql.certificates
        narrowing = (
            query.ca,
            query.entity,
            query.policy,
            f",{','.join(query.states)}," if query.states else None,
            None if query.subject is None else query.subject.lower(),
            query.expires_before,
            query.expires_after,
            query.issued_after,
        )
        left = query.limit
        number, end = 0, -1
        while left is None or left > 0:
            page = PAGE if left is None else min(PAGE, left)
            rows = await self.rows(statement, (*narrowing, number, *((end,) if by_end else ()), page))
            for *columns, number in rows:  # noqa: B007 - the last one is where the next page begins
                certificate = certificate_of(columns)
                yield certificate
            if len(rows) < page:
                return
            end = certificate.not_after
            left = None if left is None else left - page
            await asyncio.sleep(0)

    async def archived_certificates(self) -> AsyncIterator[Certificate]:
        number = 0
        while rows := await self.rows(self.sql.archived_certificates, (number, PAGE)):
            for *columns, number in rows:  # noqa: B007 - the last one is where the next page begins
                yield certificate_of(columns)
            await asyncio.sleep(0)

    async def count_certificates(self, by: str) -> dict[str, int]:
        statements = {
            "state": self.sql.certificate_count_by_state,
            "policy": self.sql.certificate_count_by_policy,
            "ca": self.sql.certificate_count_by_ca,
        }
        if by not in statements:
            raise ValueError(f"certificates are counted by {', '.join(statements)}, not by {by}")
        return {key: number for key, number in await self.rows(statements[by], ()) if number}

    async def count_expiring(self, after: int, before: int, most: int) -> int:
        rows = await self.rows(self.sql.active_count_by_end, (after, before, most))
        return int(rows[0][0])

    async def revoked(
        self, ca: str, after: int, serials: range = EVERY_SERIAL
    ) -> AsyncIterator[tuple[int, int, int | None]]:
        last = serial_key(serials.start - 1) or b""
        end = serial_key(serials[-1])
        while rows := await self.rows(self.sql.revoked, (ca, last, end, after, PAGE)):
            for last, revoked, reason in rows:
                yield serial_of(last), revoked, reason
            await asyncio.sleep(0)

    async def crl(self, ca: str, partition: int) -> StoredCRL | None:
        row = await self._row(self.sql.crl, (ca, partition))
        return crl_of(row) if row else None

    async def owed(self, ca: str | None = None, serials: range = EVERY_SERIAL) -> list[OwedCRL]:
        if ca is None:
            rows = await self.rows(self.sql.owed_crls, (PAGE,))
        else:
            after, end = serial_key(serials.start - 1) or b"", serial_key(serials[-1])
            rows = await self.rows(self.sql.owed_of, (ca, after, end, PAGE))
        return [OwedCRL(number, of, serial_of(serial)) for number, of, serial in rows]

    async def crl_number(self, ca: str, partition: int, serials: range) -> tuple[int | None, bool]:
        after, end = serial_key(serials.start - 1) or b"", serial_key(serials[-1])
        ((number, owed),) = await self.rows(self.sql.crl_number, (ca, partition, after, end))
        return number, bool(owed)

    async def crl_heads(self, ca: str) -> list[CRLHead]:
        return [CRLHead(*row) for row in await self.rows(self.sql.crl_heads, (ca,))]

    async def transaction(self, id: bytes) -> Transaction | None:
        row = await self._row(self.sql.transaction, (id,))
        return transaction_of(row) if row else None

    async def transactions(self, state: TransactionState) -> AsyncIterator[Transaction]:
        closed = state is TransactionState.CLOSED
        statement = self.sql.closed_transactions if closed else self.sql.open_transactions
        expires, id = -1, b""
        while rows := await self.rows(statement, (str(state), expires, id, PAGE)):
            for row in rows:
                transaction = transaction_of(row)
                yield transaction
            expires, id = transaction.expires, transaction.id
            await asyncio.sleep(0)

    async def count_transactions(self, state: TransactionState, most: int) -> int:
        rows = await self.rows(self.sql.open_transaction_count, (str(state), most))
        return int(rows[0][0])

    async def transaction_numbers(self) -> tuple[int, int]:
        ((lowest, highest),) = await self.rows(self.sql.transaction_numbers, ())
        return (1, 0) if lowest is None else (lowest, highest)

    async def count_remembered(self) -> int:
        ((count,),) = await self.rows(self.sql.remembered_count, ())
        return int(count)

    async def transactions_by_party(self, after: int) -> tuple[dict[str, int], int]:
        rows = await self.rows(self.sql.transactions_by_party, (after, PAGE))
        return {party: count for party, count, _ in rows}, max((last for _, _, last in rows), default=after)

    async def expired_transactions(self, now: int, limit: int) -> list[Transaction]:
        return [transaction_of(row) for row in await self.rows(self.sql.expired_transactions, (now, limit))]

    async def attempts(self, after: int) -> tuple[list[FailedAttempts], int]:
        rows = await self.rows(self.sql.attempts, (after,))
        known = []
        for *columns, after in rows:  # noqa: B007 - the last one is how far this goes
            known.append(attempts_of(columns))
        return known, after

    async def audit(self, after: int = 0, chain: str | None = None) -> AsyncIterator[AuditRecord]:
        last_chain, last = chain or "", after
        while True:
            if chain is None:
                rows = await self.rows(self.sql.audit, (last_chain, last, after, PAGE))
            else:
                rows = await self.rows(self.sql.audit_of_chain, (chain, last, PAGE))
            for row in rows:
                record = audit_of(row)
                yield record
            if len(rows) < PAGE:
                return
            last_chain, last = record.chain, record.sequence
            await asyncio.sleep(0)

    async def audit_heads(self) -> dict[str, ChainHead]:
        rows = await self.rows(self.sql.audit_heads, ())
        return {chain: ChainHead(sequence, hash_) for chain, sequence, hash_ in rows}
