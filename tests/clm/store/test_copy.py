"""A copy is equal in every row, over engines and back; or there is none."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cmpd.clm.audit import first_break
from cmpd.clm.model import CertificateState, Identity, ObjectKind, TransactionRequest, TransactionState
from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import CertificateQuery, Store, StoreError, StoreUnavailable
from cmpd.clm.store.changes import (
    AddCertificate,
    AddEntity,
    ArchiveCertificate,
    Audit,
    Change,
    OpenTransaction,
    PutCRL,
    PutObject,
    UpdateEntity,
)
from cmpd.clm.store.copy import copy_store
from cmpd.clm.store.tables import TABLES, Table
from tests.support.postgres import PostgresServer
from tests.support.records import NOW, a_certificate, a_crl, a_transaction, an_entity, an_event, an_object

ENTITY = an_entity(
    references=(b"\x00ref",),
    identities=(Identity("subject", "CN=ü", "ab" * 32),),
    attributes={"x": [1, "\x00\ud800"]},
)
OLD = a_certificate(not_after=NOW - 1)


def _answered(state: TransactionState) -> TransactionRequest:
    return TransactionRequest(-1, state, ("ca", 7))


UNIT: list[Change] = [
    PutObject(
        an_object(kind=ObjectKind.CA, id="issuing", name="issuing", document={"deep": {"list": [1, None]}})
    ),
    AddEntity(ENTITY), UpdateEntity(replace(ENTITY, version=1)), *(AddEntity(an_entity()) for _ in range(30)),
    *(AddCertificate(a_certificate(state=state)) for state in CertificateState),
    AddCertificate(a_certificate(replaces=("old", 1), reason=1, revoked=2, entity=ENTITY.id, policy="p")),
    AddCertificate(OLD), ArchiveCertificate(OLD.ca, OLD.serial, NOW),
    *(
        OpenTransaction(a_transaction(state=state, message=b"r", requests=(_answered(state),)))
        for state in TransactionState
    ),
    PutCRL(a_crl()), *(Audit(an_event(detail={"ü": "\x00"})) for _ in range(20)),
]  # fmt: skip


async def _all(store: Store) -> dict[str, Any]:
    async def listed(records: AsyncIterator[Any]) -> list[Any]:
        return [record async for record in records]

    return {
        "objects": [await store.objects(kind) for kind in ObjectKind],
        "entities": await listed(store.entities()),
        "certificates": await listed(store.certificates(CertificateQuery())),
        "archived": await listed(store.archived_certificates()),
        "counts": await store.count_certificates("state"),
        "transactions": [await listed(store.transactions(state)) for state in TransactionState],
        "crl": await store.crl("issuing", 0),
        "audit": await listed(store.audit()),
        "heads": await store.audit_heads(),
    }


async def test_a_copy_over_both_engines_and_back_is_equal(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    first = str(tmp_path / "first.db")
    places = [postgres_server.new_database(), postgres_server.new_database(), str(tmp_path / "last.db")]
    store = create_store(first)
    await store.open()
    await store.commit(UNIT)
    expected = await _all(store)
    await store.close()
    source, digests = first, []
    for target in places:
        seen: list[tuple[str, int, int]] = []
        copied = await copy_store(source, target, lambda *step, seen=seen: seen.append(step))
        digests.append([(one.table, one.rows, one.digest) for one in copied])
        assert {table: (done, total) for table, done, total in seen}["entities"] == (62, 62)
        copy = open_store(target)
        await copy.open()
        assert await _all(copy) == expected
        assert await copy.integrity() == []
        assert await copy.entity_by_reference(b"\x00ref") is not None
        assert await first_break(copy.audit(), await copy.audit_heads()) is None
        await copy.check()
        await copy.close()
        source = target
    assert digests[0] == digests[1] == digests[2]


async def test_a_backup_of_either_engine_is_a_store(store: Store, tmp_path: Path) -> None:
    await store.commit(UNIT)
    await store.backup(tmp_path / "backup.db")
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
    copy = open_store(str(tmp_path / "backup.db"))
    await copy.open()
    assert await _all(copy) == await _all(store)
    await copy.close()
    with pytest.raises(StoreError, match="exists already"):
        await store.backup(tmp_path / "backup.db")
    with pytest.raises(StoreError, match="cannot write"):
        await store.backup(tmp_path / "missing" / "backup.db")


async def test_nothing_is_copied_while_a_daemon_serves(store: Store, where: str, tmp_path: Path) -> None:
    async with store.serving():
        with pytest.raises(StoreUnavailable, match="daemon serves"):
            await copy_store(where, str(tmp_path / "copy.db"), lambda *_: None)


async def test_a_store_with_something_in_it_is_no_target(store: Store, where: str, tmp_path: Path) -> None:
    await store.commit([Audit(an_event())])
    source = create_store(str(tmp_path / "source.db"))
    await source.open()
    await source.close()
    with pytest.raises(StoreError, match=r"not empty \(audit\)"):
        await copy_store(str(tmp_path / "source.db"), where, lambda *_: None)
    with pytest.raises(StoreError, match="same store"):
        await copy_store(where, where, lambda *_: None)


async def test_a_missing_source_makes_no_target(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        await copy_store(str(tmp_path / "none.db"), str(tmp_path / "copy.db"), lambda *_: None)
    assert not list(tmp_path.iterdir())


class _OffByOne(Table):
    """Writes another number than it is given."""

    @property
    def insert(self) -> str:
        last = f"?{len(self.columns)}"
        return super().insert.replace(last, f"{last} + 1")


async def test_a_copy_that_differs_is_not_kept(
    store: Store, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.commit(UNIT)
    whole = TABLES[1]
    broken = _OffByOne(whole.name, whole.columns, whole.order)
    monkeypatch.setattr("cmpd.clm.store.sides.TABLES", (TABLES[0], broken, *TABLES[2:]))
    target = str(tmp_path / "copy.db")
    with pytest.raises(StoreError, match="copy of entities is not what was sent"):
        await copy_store(where, target, lambda *_: None)
    copy = open_store(target)
    await copy.open()
    assert [one async for one in copy.entities()] == []
    assert await copy.objects(ObjectKind.CA) == []
    await copy.close()


KILLED = """
import asyncio, os, signal, sys
from cmpd.clm.store.copy import copy_store

def show(table, done, rows):
    if table == "audit":
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(copy_store(*sys.argv[1:], show))
"""


async def test_a_copy_that_was_killed_leaves_an_empty_store_and_may_be_begun_anew(
    store: Store, where: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    await store.commit(UNIT)
    for target in (str(tmp_path / "copy.db"), postgres_server.new_database()):
        killed = subprocess.run([sys.executable, "-c", KILLED, where, target], check=False)  # noqa: ASYNC221 - nobody waits
        assert killed.returncode == -signal.SIGKILL
        copy = open_store(target)
        await copy.open()
        assert await copy.objects(ObjectKind.CA) == []
        assert await copy.audit_heads() == {}
        await copy.close()
        await copy_store(where, target, lambda *_: None)
        await copy.open()
        assert await _all(copy) == await _all(store)
        await copy.close()


async def test_no_daemon_begins_to_serve_a_store_that_is_being_copied(
    store: Store, where: str, tmp_path: Path
) -> None:
    await store.commit(UNIT)
    loop = asyncio.get_running_loop()
    refused: list[str] = []

    async def serve() -> None:
        daemon = open_store(where)
        await daemon.open()
        with pytest.raises(StoreUnavailable, match="is being copied"):
            async with daemon.serving():
                pass
        refused.append(where)
        await daemon.close()

    def show(table: str, done: int, rows: int) -> None:
        if table == "certificates" and done == rows:
            asyncio.run_coroutine_threadsafe(serve(), loop).result(30)

    await copy_store(where, str(tmp_path / "copy.db"), show)
    assert refused == [where]


async def test_a_copy_that_is_interrupted_keeps_nothing(store: Store, where: str, tmp_path: Path) -> None:
    await store.commit(UNIT)
    loop, target = asyncio.get_running_loop(), str(tmp_path / "copy.db")

    def show(table: str, done: int, rows: int) -> None:
        if table == "entities":
            loop.call_soon_threadsafe(copying.cancel)
            time.sleep(0.1)

    copying = asyncio.create_task(copy_store(where, target, show))
    with pytest.raises(asyncio.CancelledError):
        await copying
    copy = open_store(target)
    await copy.open()
    assert await copy.objects(ObjectKind.CA) == []
    await copy.close()
