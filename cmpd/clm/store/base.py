"""The store's interface: reads by key, and units of changes that are durable when `commit` returns.

Everything any implementation must do is said here; `tests/clm/store` runs the same suite over all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cmpd.clm.model import (
    EVERY_SERIAL,
    AuditRecord,
    Certificate,
    CertificateState,
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
from cmpd.clm.store.changes import Unit
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.audit import ChainHead


class StoreError(Exception):
    """The store cannot do it; the text says what, what was expected, and what to do."""


class StoreUnavailable(StoreError):
    """The store is locked, full, read-only or gone for now; the same unit may succeed later."""


class StoreCorrupt(StoreError):
    """The store contradicts itself; an operator must act."""


class Conflict(StoreError):
    """A change found the store other than it expected; its unit was undone."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(text)
        self.what = what
        """``version``, ``name``, ``entity``, ``reference``, ``identity``, ``password``, ``transaction``,
        ``serial``, ``state``, ``limit`` or ``crl``."""


@dataclass(frozen=True, slots=True)
class CertificateQuery:
    """Which certificates to list; what is None does not narrow. In the order in which the store got them,
    or by their end where `expires_before` is what narrows most."""

    ca: str | None = None
    entity: str | None = None
    policy: str | None = None
    states: tuple[CertificateState, ...] = ()
    subject: str | None = None
    """A part of the subject's text."""
    expires_before: int | None = None
    expires_after: int | None = None
    issued_after: int | None = None
    limit: int | None = None


@quick_dataclass(frozen=True, slots=True)
class RequestState:
    """What the store holds when a request comes, all as of the same moment."""

    counter: int
    """The change counter."""
    transaction: Transaction | None
    certificate: Certificate | None
    """The transaction's."""
    entity: Entity | None


class Store(Protocol):
    """One truth for all processes that open it. A read sees every unit whose commit has returned.

    A store belongs to the event loop and the process it was opened in: open it after a fork. Lists are
    read page by page, and see each record as it was when its page was read.
    """

    async def open(self) -> None:
        """Connect, check the schema version. Raises StoreError naming the remedy."""

    async def close(self) -> None:
        """Commit what was accepted, then let go."""

    async def commit(self, unit: Unit) -> None:
        """Apply the unit's changes in order; durable on disk when this returns.

        Raises Conflict (the unit is undone), StoreUnavailable (nothing of it remains).
        """

    async def check(self) -> None:
        """Prove that the store can be read and written now; raises StoreError otherwise."""

    async def integrity(self) -> list[str]:
        """What is wrong inside the store, in words; reads all of it."""

    async def backup(self, path: Path) -> None:
        """Write a consistent copy, a SQLite store of its own, to `path` while serving; mode 0600.

        Raises StoreError where `path` exists or cannot be written; no half copy stays behind.
        """

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Say that a daemon works on this store, until the context ends, however the process ends.

        Raises StoreUnavailable while somebody has the store `alone`.
        """

    async def serving_processes(self) -> int:
        """How many processes are `serving` now, on all nodes."""

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Keep daemons out while the context lasts. Raises StoreUnavailable while one is `serving`."""

    def crl_lock(self, ca: str, partition: int) -> AbstractAsyncContextManager[None]:
        """One at a time, of all processes on all nodes, makes this CRL of the CA; others wait here."""

    async def request_state(self, transaction: bytes, entity: str) -> RequestState:
        """What most requests look up, by one query: under a transactionID, and under a UUID."""

    async def change_counter(self) -> int:
        """Grows with each change of a configuration document; cheap enough to ask per request."""

    async def objects(self, kind: ObjectKind) -> list[StoredObject]: ...

    async def object(self, kind: ObjectKind, id_or_name: str) -> StoredObject | None: ...

    async def entity(self, id: str) -> Entity | None: ...

    async def entity_by_reference(self, reference: bytes) -> Entity | None:
        """By a further reference, not by UUID."""

    async def entity_by_identity(self, kind: str, key: str, anchor: str) -> Entity | None:
        """By an identity's key (`cmpd.clm.pkix.identities`), and the SHA-256 of the trust anchor it holds
        together with; empty: none."""

    async def entities_by_identity(self, kind: str, key: str) -> list[Entity]:
        """The same whatever the anchor, in its order."""

    def entities(self, search: str | None = None, after: str | None = None) -> AsyncIterator[Entity]:
        """In order of id; `search` is a part of id, name, reference or identity."""

    async def certificate(self, ca: str, serial: int) -> Certificate | None: ...

    async def holder(self, ca: str, serial: int) -> tuple[Certificate, Entity | None] | None:
        """A certificate and its end entity, by one query."""

    async def certificates_by_key_id(self, key_id: bytes, most: int) -> list[Certificate]:
        """The latest first."""

    def certificates(self, query: CertificateQuery) -> AsyncIterator[Certificate]: ...

    def archived_certificates(self) -> AsyncIterator[Certificate]:
        """What ArchiveCertificate put away, in the order in which it did."""

    async def count_certificates(self, by: str) -> dict[str, int]:
        """Counts by ``state``, ``policy`` (empty: without one) or ``ca``; cheap."""

    async def count_expiring(self, after: int, before: int, most: int) -> int:
        """Active certificates that end between the two times; `most` where there are as many or more."""

    def revoked(
        self, ca: str, after: int, serials: range = EVERY_SERIAL
    ) -> AsyncIterator[tuple[int, int, int | None]]:
        """(serial, revoked, reason) of all on hold, revoked or rejected with one of the serial numbers that
        end after `after`."""

    async def crl(self, ca: str, partition: int) -> StoredCRL | None: ...

    async def crl_number(self, ca: str, partition: int, serials: range) -> tuple[int | None, bool]:
        """(The number of the stored CRL of a partition, which has these serial numbers, if there is one;
        whether another one is owed.)"""

    async def owed(self, ca: str | None = None, serials: range = EVERY_SERIAL) -> list[OwedCRL]:
        """What changed of certificates and no CRL says yet, the oldest first, a page at the most: of all CAs,
        or of one and these serial numbers."""

    async def crl_heads(self, ca: str) -> list[CRLHead]:
        """Of all partitions that have a CRL, in their order."""

    async def transaction(self, id: bytes) -> Transaction | None: ...

    async def transaction_numbers(self) -> tuple[int, int]:
        """(lowest, highest) row number of the transactions, which are numbered as they are begun, with
        gaps; (1, 0) where there are none. Takes no time, however many there are."""

    async def count_remembered(self) -> int:
        """How many there are; reads an index through."""

    async def transactions_by_party(self, after: int) -> tuple[dict[str, int], int]:
        """(how many by end entity, or by party where there is none, the highest number among them) of some
        next transactions whose number is above `after`; empty, and `after`, where there are none."""

    def transactions(self, state: TransactionState) -> AsyncIterator[Transaction]: ...

    async def count_transactions(self, state: TransactionState, most: int) -> int:
        """Those in a state other than closed; `most` where there are as many or more."""

    async def expired_transactions(self, now: int, limit: int) -> list[Transaction]:
        """Those not closed whose `expires` is before `now`, oldest first."""

    async def forget_transactions(self, now: int, limit: int) -> int:
        """Delete closed ones whose `expires` is before `now`; gives how many."""

    async def note_attempts(self, told: Sequence[FailedAttempts], since: float) -> None:
        """Add to what is known of their keys, for all processes to read; what ended before `since`, in
        seconds since the epoch, counts no more. Rows are few: old ones go. Raises StoreUnavailable."""

    async def attempts(self, after: int) -> tuple[list[FailedAttempts], int]:
        """(what is known of the keys that changed after that point, the point up to which this is all).
        The first point is 0."""

    def audit(self, after: int = 0, chain: str | None = None) -> AsyncIterator[AuditRecord]:
        """By chain and sequence; those whose sequence is above `after`."""

    async def audit_heads(self) -> dict[str, ChainHead]:
        """The end of each chain, as the store noted it apart from the records (`cmpd.clm.audit`)."""
