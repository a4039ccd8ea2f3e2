"""Copies are whole and consistent while the store is written, and never go over another file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cmpd.clm.audit import first_break
from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import CertificateQuery, Store, StoreError
from cmpd.clm.store.changes import AddCertificate, Audit
from cmpd.clm.store.sqlite.backup import restore
from tests.support.records import a_certificate, an_event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cmpd.db"


@pytest.fixture
def store(path: Path) -> Store:
    return create_store(str(path))


async def _counts(store: Store) -> tuple[int, int]:
    certificates = [one async for one in store.certificates(CertificateQuery())]
    return len(certificates), len([record async for record in store.audit()])


async def test_a_backup_while_serving_is_of_one_moment(store: Store, tmp_path: Path) -> None:
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await store.commit([AddCertificate(a_certificate()), Audit(an_event())])

    writing = [asyncio.create_task(write()) for _ in range(4)]
    await asyncio.sleep(0.1)
    for number in range(3):
        await store.backup(tmp_path / f"backup-{number}.db")
    stop.set()
    await asyncio.gather(*writing)
    for number in range(3):
        place = tmp_path / f"backup-{number}.db"
        assert place.stat().st_mode & 0o777 == 0o600
        copy = open_store(str(place))
        await copy.open()
        certificates, records = await _counts(copy)
        assert certificates == records > 0
        assert await copy.integrity() == []
        assert await first_break(copy.audit(), await copy.audit_heads()) is None
        await copy.close()


async def test_a_backup_does_not_go_over_a_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(StoreError, match="precious exists already"):
        await store.backup(tmp_path / "precious")
    with pytest.raises(StoreError, match=r"cannot write .*No such file"):
        await store.backup(tmp_path / "missing" / "backup.db")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not list(tmp_path.glob(".*partial*"))


async def test_a_backup_that_fails_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cmpd.clm.store.sqlite.backup.copy_whole", fail)
    with pytest.raises(StoreError, match="No space left"):
        await store.backup(tmp_path / "backup.db")
    assert not list(tmp_path.glob("*backup*"))


async def test_a_restored_backup_is_the_store_it_was(store: Store, path: Path, tmp_path: Path) -> None:
    certificate = a_certificate()
    await store.commit([AddCertificate(certificate)])
    await store.backup(tmp_path / "backup.db")
    restored = tmp_path / "restored.db"
    restore(tmp_path / "backup.db", restored)
    assert restored.stat().st_mode & 0o777 == 0o600
    copy = open_store(str(restored))
    await copy.open()
    assert await copy.certificate(certificate.ca, certificate.serial) == certificate
    await copy.check()
    await copy.close()
    with pytest.raises(StoreError, match="exists already"):
        restore(tmp_path / "backup.db", path)


def test_only_a_whole_backup_is_restored(store: Store, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "restored.db"
    with pytest.raises(StoreError, match="cannot open"):
        restore(tmp_path / "missing.db", target)
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match="is not an SQLite database"):
        restore(tmp_path / "rubbish", target)
    (tmp_path / "restored.db-wal").write_bytes(b"of another store")
    with pytest.raises(StoreError, match="move it away"):
        restore(path, target)
    assert not target.exists()
