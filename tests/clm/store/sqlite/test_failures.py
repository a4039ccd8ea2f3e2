"""Disk full, locked, damaged, gone: said in one line, nothing half done, and over when it is over."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import CertificateQuery, StoreCorrupt, StoreError, StoreUnavailable
from cmpd.clm.store.changes import AddCertificate, Audit
from cmpd.clm.store.sqlite.store import SQLiteStore
from tests.support.records import a_certificate, an_event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cmpd.db"
    create_store(str(path))
    return path


@pytest.fixture
def store(path: Path) -> SQLiteStore:
    return SQLiteStore(path, patience=0.3)


async def _write(store: SQLiteStore) -> None:
    await store.commit([AddCertificate(a_certificate()), Audit(an_event())])


async def _open_and_write(store: SQLiteStore) -> None:
    await store.open()
    await _write(store)


async def _count(store: SQLiteStore) -> int:
    return len([one async for one in store.certificates(CertificateQuery())])


@contextmanager
def _locked_by_another(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


async def test_a_lock_that_is_let_go_in_time_only_delays(store: SQLiteStore, path: Path) -> None:
    with _locked_by_another(path):
        writing = [asyncio.create_task(_write(store)) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in writing)
        assert await _count(store) == 0  # reading goes on
    await asyncio.gather(*writing)
    assert await _count(store) == 3


async def test_a_lock_that_stays_is_given_up_without_ever_holding_up_the_event_loop(
    store: SQLiteStore, path: Path
) -> None:
    passes = 0
    with _locked_by_another(path):
        writing = asyncio.create_task(_write(store))
        while not writing.done():
            await asyncio.sleep(0)
            passes += 1
        with pytest.raises(StoreUnavailable, match=r"keeps the store .* locked"):
            await writing
    assert passes > 100, "the loop stood still for most of the time"
    await _write(store)
    assert await _count(store) == 1


async def test_a_full_disk_fails_the_unit_and_is_over_when_there_is_room(
    store: SQLiteStore, path: Path
) -> None:
    await _write(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As the kernel would at the end of the space: writes beyond here fail. Python ignores SIGXFSZ.
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("cmpd.db-wal").stat().st_size, hard))
    try:
        outcomes = await asyncio.gather(_write(store), _write(store), return_exceptions=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes), outcomes
    assert await _count(store) == 1
    await _write(store)
    assert await _count(store) == 2
    assert await store.integrity() == []


async def test_a_store_at_its_largest_says_that_there_is_no_space(store: SQLiteStore) -> None:
    connection = store._usable()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    big = a_certificate(der=bytes(100_000))
    with pytest.raises(StoreUnavailable, match="no space left"):
        await store.commit([AddCertificate(big)])
    await store.commit([AddCertificate(big)])  # the connection is a new one, without the bound
    assert await _count(store) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write whatever the mode says")
@pytest.mark.may_skip("as root no file is read-only")
async def test_a_store_made_read_only_fails_writes_until_it_is_writable(
    store: SQLiteStore, path: Path
) -> None:
    await store.close()
    path.chmod(0o400)
    reopened = SQLiteStore(path)
    with pytest.raises(StoreError, match="read-only"):
        await _open_and_write(reopened)
    for file in path.parent.glob(f"{path.name}*"):  # what SQLite made beside it took its mode
        file.chmod(0o600)
    await store.open()
    await _write(store)


async def test_a_connection_that_turned_read_only_is_made_anew(store: SQLiteStore) -> None:
    store._usable().execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="read-only"):
        await _write(store)
    await _write(store)
    assert await _count(store) == 1


async def test_a_deleted_store_is_missed_and_served_again_once_it_is_put_back(
    store: SQLiteStore, path: Path
) -> None:
    await _write(store)
    away = path.with_name("away")
    away.mkdir()
    await store.backup(away / "backup.db")
    path.unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"gone|missing"):
            await _write(store)
    with pytest.raises(StoreUnavailable, match="missing"):
        await store.check()
    for leftover in path.parent.glob("cmpd.db-*"):
        leftover.unlink()
    shutil.copyfile(away / "backup.db", path)
    await _write(store)
    assert await _count(store) == 2


async def test_a_replaced_store_is_not_written_to_in_its_old_place(store: SQLiteStore, path: Path) -> None:
    await _write(store)
    await store.backup(path.with_name("backup.db"))
    path.with_name("backup.db").rename(path)
    with pytest.raises(StoreUnavailable, match="replaced"):
        await _write(store)
    await _write(store)
    assert await _count(store) == 2


async def test_a_damaged_store_says_so_and_recovers_with_its_backup(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    for _ in range(20):
        await store.commit([AddCertificate(a_certificate(der=bytes(3000)))])
    await store.backup(tmp_path / "backup.db")
    await store.close()
    whole = path.read_bytes()
    with path.open("r+b") as file:
        for offset in range(4096, len(whole), 4096):
            file.seek(offset)
            file.write(b"\xff" * 512)
    with pytest.raises(StoreCorrupt, match=r"damaged .* restore a backup"):
        await _open_and_write(store)
    path.write_bytes((tmp_path / "backup.db").read_bytes())
    await store.open()
    await _write(store)
    assert await _count(store) == 21


def _no_file(path: Path) -> None:
    path.unlink()


def _rubbish(path: Path) -> None:
    path.write_bytes(b"This is a letter, and no database at all.\n" * 100)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE addresses (name TEXT)")


def _later(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("become", "text"),
    [
        (_no_file, "there is no store .*; make one with `cmpd init`"),
        (_rubbish, "is not an SQLite database"),
        (_empty, "is not a store of cmpd; make one with `cmpd init`"),
        (_foreign, "is not a store of cmpd; make one with `cmpd init`"),
        (_later, "schema 999 of a later cmpd.* install the later cmpd again"),
        (_directory, "cannot open the store"),
    ],
)
async def test_what_is_no_store_is_named_with_the_remedy(
    path: Path, become: Callable[[Path], None], text: str
) -> None:
    for beside in path.parent.glob("cmpd.db-*"):
        beside.unlink()
    become(path)
    store = open_store(str(path))
    with pytest.raises(StoreError, match=text) as caught:
        await store.open()
    assert "\n" not in str(caught.value)


def test_a_store_is_made_private_and_never_over_another_file(tmp_path: Path) -> None:
    path = tmp_path / "cmpd.db"
    create_store(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"precious")
    with pytest.raises(StoreError, match="exists already"):
        create_store(str(path))
    assert path.read_bytes() == b"precious"
    with pytest.raises(StoreError, match="No such file or directory"):
        create_store(str(tmp_path / "missing" / "cmpd.db"))


def test_synchronous_is_full_or_normal(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="full or normal, not off"):
        SQLiteStore(tmp_path / "cmpd.db", synchronous="off")


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
async def test_each_commit_is_synced_unless_the_operator_says_otherwise(
    path: Path, synchronous: str, level: int
) -> None:
    store = SQLiteStore(path, synchronous=synchronous)
    await store.open()
    assert store._usable().execute("PRAGMA synchronous").fetchone() == (level,)
    assert store._usable().execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await store.close()


async def test_counts_that_do_not_fit_are_told_by_the_integrity_check(store: SQLiteStore) -> None:
    await _write(store)
    store._usable().execute("UPDATE certificate_counts SET amount = amount + 1")
    assert await store.integrity() == ["2 certificate counts that do not fit the certificates"]
