"""An older schema is brought up by whoever opens the store first, after a copy was put beside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cmpd.clm.model import Identity
from cmpd.clm.pkix.identities import identity_key
from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import StoreError
from cmpd.clm.store.changes import AddCertificate
from cmpd.clm.store.sqlite import connection as connections
from cmpd.clm.store.sqlite.sql import MIGRATIONS
from tests.support.records import a_certificate

ADDED = ("CREATE TABLE added (number INTEGER)", "INSERT INTO added (number) VALUES (1)")
BROKEN = ("CREATE TABLE added (number INTEGER)", "INSERT INTO missing (number) VALUES (1)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cmpd.db"
    create_store(str(path))
    return path


@pytest.fixture
def with_migration(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[str, ...]], None]:
    def add(migration: tuple[str, ...]) -> None:
        monkeypatch.setattr(connections, "MIGRATIONS", (*MIGRATIONS, migration))

    return add


def _version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)
    finally:
        connection.close()


async def test_a_store_is_migrated_once_and_copied_before(
    path: Path, with_migration: Callable[[tuple[str, ...]], None]
) -> None:
    store = open_store(str(path))
    await store.open()
    certificate = a_certificate()
    await store.commit([AddCertificate(certificate)])
    await store.close()
    with_migration(ADDED)
    for _ in range(2):
        await store.open()
        assert await store.certificate(certificate.ca, certificate.serial) == certificate
        await store.close()
    assert _version(path) == len(MIGRATIONS) + 1
    copy = path.with_name(f"cmpd.db.schema-{len(MIGRATIONS)}")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert _version(copy) == len(MIGRATIONS)
    kept = sqlite3.connect(copy)
    assert kept.execute("SELECT count(*) FROM certificates").fetchone() == (1,)
    kept.close()


async def test_a_migration_that_fails_changes_nothing(
    path: Path, with_migration: Callable[[tuple[str, ...]], None]
) -> None:
    with_migration(BROKEN)
    with pytest.raises(StoreError, match="missing"):
        await open_store(str(path)).open()
    assert _version(path) == len(MIGRATIONS)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM sqlite_master WHERE name = 'added'").fetchall() == []
    connection.close()


def test_of_many_that_start_together_one_migrates(
    path: Path, with_migration: Callable[[tuple[str, ...]], None]
) -> None:
    with_migration(ADDED)

    def start(_: int) -> None:
        connection = connections.connect(path, wait=10)
        try:
            connections.migrate(connection, path)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM added").fetchone() == (1,)
    connection.close()


async def test_a_copy_from_an_earlier_attempt_is_not_overwritten(
    path: Path, with_migration: Callable[[tuple[str, ...]], None]
) -> None:
    with_migration(ADDED)
    aside = path.with_name(f"cmpd.db.schema-{len(MIGRATIONS)}")
    aside.write_text("precious")
    with pytest.raises(StoreError, match="in the way"):
        await open_store(str(path)).open()
    assert aside.read_text() == "precious"


OLD_ENTITIES = [
    ("1", "active", '[["subject","CN=blkA,O=x"],["serialNumber","SN  1"]]'),
    ("2", "blocked", '[["subject","cn=BLKA,o=x"]]'),
    ("3", "active", '[["subject","nonsense"],["fingerprint","ab"]]'),
]
"""Id, state and identities, as schema 2 has them: found by their text."""


async def test_identities_are_found_by_key_after_the_migration_and_no_block_is_lifted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cmpd.db"
    with monkeypatch.context() as earlier:
        earlier.setattr(connections, "MIGRATIONS", MIGRATIONS[:2])
        create_store(str(path))
    connection = sqlite3.connect(path)
    for id, state, identities in OLD_ENTITIES:
        connection.execute(
            "INSERT INTO entities (id, name, state, policies, reference_list, identity_list, attributes, "
            "created, version) VALUES (?, 'x', ?, '[]', '[]', ?, '{}', 0, 1)",
            (id, state, identities),
        )
        for kind, value in json.loads(identities):
            connection.execute("INSERT INTO entity_identities VALUES (?, ?, ?)", (kind, value, id))
    connection.commit()
    connection.close()
    store = open_store(str(path))
    await store.open()
    for kind, written, found in (
        ("subject", "CN=blka,O=X", ["2"]),
        ("serialNumber", "sn 1", ["1"]),
        ("fingerprint", "ab", ["3"]),
        ("subject", "CN=nonsense", []),
    ):
        entities = await store.entities_by_identity(kind, identity_key(kind, written))
        assert [one.id for one in entities] == found
    kept = await store.entity("1")
    assert kept is not None
    assert kept.identities[0] == Identity("subject", "CN=blkA,O=x")
    assert await store.integrity() == []
    await store.close()
