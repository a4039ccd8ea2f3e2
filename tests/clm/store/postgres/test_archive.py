"""The archive in partitions by the certificates' end, as docs/scaling.md tells operators to make them."""

from __future__ import annotations

import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from cmpd.clm.store import open_store
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, ArchiveCertificate
from cmpd.clm.store.copy import copy_store
from tests.support.postgres import PostgresServer
from tests.support.records import a_certificate

SCALING = Path(__file__).parents[4] / "docs" / "scaling.md"
TABLES = """
    SELECT tableoid::regclass::text, count(*) FROM archived_certificates GROUP BY 1 ORDER BY 1"""
NOW = int(datetime(2030, 1, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database("cmpd_template")


@pytest.fixture
def store(url: str) -> Store:
    return open_store(url)


def _documented(beginning: str) -> bytes:
    """The statement of the documentation that begins so."""
    found = re.search(rf"^ *{beginning}[^;]*;", SCALING.read_text("utf-8"), re.M)
    assert found
    return textwrap.dedent(found[0]).encode()


def _ending(*days: tuple[int, int, int]) -> list[AddCertificate]:
    return [
        AddCertificate(a_certificate(not_after=int(datetime(*day, 12, tzinfo=UTC).timestamp())))
        for day in days
    ]


async def _serials(store: Store) -> list[int]:
    return [one.serial async for one in store.archived_certificates()]


async def test_a_year_of_the_archive_lives_in_its_own_partition_and_may_go(
    store: Store, url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    await connection.execute(_documented("CREATE TABLE archived_certificates_2027"))
    added = _ending((2026, 12, 31), (2027, 1, 1), (2028, 1, 1), (2027, 12, 31))
    await store.commit(added)
    await store.commit([ArchiveCertificate(one.certificate.ca, one.certificate.serial, NOW) for one in added])
    tables = await (await connection.execute(TABLES.encode())).fetchall()
    assert dict(tables) == {"archived_certificates_2027": 2, "archived_certificates_other": 2}
    serials = [one.certificate.serial for one in added]
    assert await _serials(store) == serials
    assert await store.integrity() == []
    await store.backup(tmp_path / "backup.db")
    again = postgres_server.new_database()
    await copy_store(url, again, lambda *_: None)
    for place in (str(tmp_path / "backup.db"), again):
        copy = open_store(place)
        await copy.open()
        assert await _serials(copy) == serials
        await copy.close()
    await connection.execute(_documented("ALTER TABLE archived_certificates DETACH"))
    assert await _serials(store) == [serials[0], serials[2]]
    await store.commit(kept := _ending((2027, 6, 1)))
    (late,) = (one.certificate for one in kept)
    await store.commit([ArchiveCertificate(late.ca, late.serial, NOW)])
    assert await _serials(store) == [serials[0], serials[2], late.serial]
    await connection.close()


async def test_certificates_themselves_stay_whole_as_their_key_does_not_have_the_end(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="must include all partitioning columns"):
            await connection.execute(
                b"CREATE TABLE parted (LIKE certificates, UNIQUE (ca, serial)) PARTITION BY RANGE (not_after)"
            )
