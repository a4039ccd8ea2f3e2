"""The audit chain tells whoever altered, removed, added or reordered a record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace

import pytest

from cmpd.clm.audit import START, ChainBreak, ChainHead, chain_hash, first_break
from cmpd.clm.model import AuditEvent, AuditRecord
from tests.support.records import an_event


def _chain(name: str, length: int) -> list[AuditRecord]:
    records, hash_ = [], START
    for sequence in range(1, length + 1):
        event = an_event()
        hash_ = chain_hash(hash_, name, sequence, event)
        records.append(AuditRecord(name, sequence, event, hash_))
    return records


RECORDS = _chain("east", 5) + _chain("west", 4)
HEADS = {"east": ChainHead(5, RECORDS[4].hash), "west": ChainHead(4, RECORDS[8].hash)}


def _verify(records: Iterable[AuditRecord], heads: dict[str, ChainHead] = HEADS) -> ChainBreak | None:
    async def stream() -> AsyncIterator[AuditRecord]:
        for record in records:
            yield record

    return asyncio.run(first_break(stream(), heads))


def _changed(index: int, change: Callable[[AuditRecord], AuditRecord]) -> list[AuditRecord]:
    return [change(record) if place == index else record for place, record in enumerate(RECORDS)]


def _other_event(**changed: object) -> Callable[[AuditRecord], AuditRecord]:
    return lambda record: replace(
        record,
        event=replace(record.event, **changed),  # type: ignore[arg-type] # the cases name the fields
    )


def test_a_chain_as_it_was_written_has_no_break() -> None:
    assert _verify(RECORDS) is None
    assert _verify([], {}) is None


@pytest.mark.parametrize(
    "change",
    [
        _other_event(time=1),
        _other_event(actor="entity:other"),
        _other_event(action="entity.add"),
        _other_event(subject="x"),
        _other_event(outcome="badPOP"),
        _other_event(detail={}),
        lambda record: replace(record, hash=bytes(32)),
    ],
)
@pytest.mark.parametrize("index", [0, 2, 4, 7])
def test_a_record_altered_in_any_field_breaks_the_chain_there(
    index: int, change: Callable[[AuditRecord], AuditRecord]
) -> None:
    found = _verify(_changed(index, change))
    assert found is not None
    assert (found.chain, found.sequence) == (RECORDS[index].chain, RECORDS[index].sequence)


@pytest.mark.parametrize("index", range(9))
def test_a_record_removed_anywhere_even_at_the_end_is_missed(index: int) -> None:
    found = _verify(RECORDS[:index] + RECORDS[index + 1 :])
    assert found is not None
    assert (found.chain, found.sequence) == (RECORDS[index].chain, RECORDS[index].sequence)


def test_a_record_added_at_the_end_is_noticed() -> None:
    event = AuditEvent(1, "cmpd", "x", "y")
    added = AuditRecord("west", 5, event, chain_hash(RECORDS[-1].hash, "west", 5, event))
    found = _verify([*RECORDS, added])
    assert found is not None
    assert (found.chain, found.sequence) == ("west", 5)


def test_two_records_that_changed_places_are_noticed() -> None:
    swapped = [RECORDS[0], replace(RECORDS[2], sequence=2), replace(RECORDS[1], sequence=3), *RECORDS[3:]]
    assert _verify(swapped) is not None


def test_a_chain_nobody_knows_of_is_noticed() -> None:
    found = _verify(RECORDS + _chain("zz", 2))
    assert found is not None
    assert found.chain == "zz"
