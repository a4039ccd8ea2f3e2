"""The audit chain: each record's hash covers the record and the hash before it.

A record that is altered, removed or put in changes the hash of every later one; and as the store keeps
each chain's latest place and hash apart from the records, records missing at the end show as well.
A chain that somebody has rewritten whole, heads and all, shows only against a hash noted elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, Mapping

from cmpd.canonical import json_text
from cmpd.clm.model import AuditEvent, AuditRecord
from cmpd.records import quick_dataclass

START = bytes(32)
"""What stands before the first record of a chain."""


@quick_dataclass(frozen=True, slots=True)
class ChainHead:
    """The latest place of a chain, and the hash there."""

    sequence: int
    hash: bytes


@quick_dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first place where a chain is not as it was written."""

    chain: str
    sequence: int
    problem: str


def chain_hash(previous: bytes, chain: str, sequence: int, event: AuditEvent) -> bytes:
    """SHA-256 of the hash before and the record in canonical JSON."""
    fields = (
        chain, sequence, event.time, event.actor, event.action, event.subject, event.outcome, event.detail
    )  # fmt: skip
    return hashlib.sha256(previous + json_text(fields).encode("ascii")).digest()


async def first_break(
    records: AsyncIterable[AuditRecord], heads: Mapping[str, ChainHead]
) -> ChainBreak | None:
    """Follow all chains from their first record; None where each is whole and ends at its head.

    `records` come by chain and sequence (`Store.audit`), `heads` from `Store.audit_heads`.
    """
    reached: dict[str, ChainHead] = {}
    async for record in records:
        before = reached.get(record.chain, ChainHead(0, START))
        expected = before.sequence + 1
        if record.sequence != expected:
            return ChainBreak(record.chain, expected, "the record is missing")
        if record.hash != chain_hash(before.hash, record.chain, record.sequence, record.event):
            return ChainBreak(
                record.chain, record.sequence, "the record, or the hash before it, is not as it was written"
            )
        reached[record.chain] = ChainHead(record.sequence, record.hash)
    for chain in sorted(heads.keys() | reached.keys()):
        head, end = heads.get(chain), reached.get(chain, ChainHead(0, START))
        if head is None:
            return ChainBreak(chain, end.sequence, "the store does not know of this chain")
        if end.sequence < head.sequence:
            return ChainBreak(chain, end.sequence + 1, f"the records up to {head.sequence} are missing")
        if end != head:
            return ChainBreak(
                chain, end.sequence, f"the store knows of {head.sequence} records, or another end"
            )
    return None
