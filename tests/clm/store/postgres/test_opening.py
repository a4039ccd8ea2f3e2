"""What keeps a node from its database is said in one line, with the remedy, and without the password."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Iterator

import pytest

from cmpd.clm.pkix.identities import identity_key
from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import StoreError
from cmpd.clm.store.postgres import migrations
from cmpd.clm.store.postgres.address import parse
from cmpd.clm.store.postgres.sql import MIGRATIONS
from tests.support.postgres import PostgresServer

PASSWORD = "GTTgcdagW-OGJ73"


@pytest.fixture(scope="module")
def strict_server() -> Iterator[PostgresServer]:
    """A server that asks for passwords, and for TLS from ``tls``."""
    server = PostgresServer()
    try:
        server.start()
        server.execute(f"CREATE ROLE known LOGIN PASSWORD '{PASSWORD}'")
        server.execute("CREATE ROLE tls LOGIN")
        server.execute("CREATE DATABASE strict")
        server.demand(("hostssl all tls all trust", "host all known all scram-sha-256"))
        yield server
    finally:
        server.remove()


async def _refusal(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        await open_store(url).open()
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("user", "database", "query", "expected"),
    [
        (
            "known:wrong-secret",
            "strict",
            "",
            "password authentication failed.*check the user and the password",
        ),
        ("nobody-knows:wrong-secret", "strict", "", "authentication failed|no pg_hba.conf entry"),
        ("tls", "strict", "?sslmode=disable", "demands TLS.*sslmode=require"),
        (f"known:{PASSWORD}", "strict", "?sslmode=require", "does not speak: enable it there"),
        ("stranger", "strict", "", "pg_hba.conf"),
        (f"known:{PASSWORD}", "missing", "", 'database "missing" does not exist; make it with `createdb`'),
        (f"known:{PASSWORD}", "strict", "", "does not contain a store of cmpd; make one with `cmpd init`"),
    ],
)
async def test_why_the_server_refuses(
    strict_server: PostgresServer, user: str, database: str, query: str, expected: str,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    text = await _refusal(strict_server.url(database, user) + query)
    assert re.search(expected, text), text
    for said in (text, caplog.text, *capfd.readouterr()):
        assert PASSWORD not in said
        assert "wrong-secret" not in said


async def test_who_may_not_make_tables_is_told_what_is_missing(strict_server: PostgresServer) -> None:
    with pytest.raises(StoreError, match="permission denied for schema public; make the user the owner"):
        create_store(strict_server.url("strict", f"known:{PASSWORD}"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:pa@ss-word@host/db",
        "postgresql://user:pa/ss-word@host/db",
        "postgresql://user:ss-word#x@host/db",
        "postgresql://user:ss-word?@host/db",
        "postgresql://user:ss-word%zz@host/db",
        "postgresql://user:x@host/db?ss-word",
        "postgresql://user:x@host/db?ss-word=1",
        "postgresql://user:x@host:ss-word/db",
        "postgresql://[user:ss-word@host/db",
    ],
)
def test_a_malformed_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StoreError, match="not of the form postgresql://user@host") as caught:
        open_store(url)
    assert "ss-word" not in str(caught.value)


def test_an_address_shows_no_password() -> None:
    address = parse("postgresql://user:secret%40word@host:5433,other/db?sslmode=require&password=second")
    assert address.shown == "postgresql://user@host:5433,other/db"
    assert "secret" not in repr(address)
    assert "second" not in repr(address)
    assert "secret@word" in address.conninfo or "second" in address.conninfo


async def test_nobody_there() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    said = await _refusal(f"postgresql://user:{PASSWORD}@127.0.0.1:{port}/db")
    assert said.endswith("/db: Connection refused; is it running, and does the URL name it rightly?")


async def test_of_several_servers_each_one_s_reason_is_told(strict_server: PostgresServer) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    said = await _refusal(f"postgresql://stranger@127.0.0.1:{port},127.0.0.1:{strict_server.port}/strict")
    assert re.search(rf"port {port}: Connection refused, .*port {strict_server.port}: no pg_hba.conf", said)


async def test_an_unknown_host() -> None:
    text = await _refusal(f"postgresql://user:{PASSWORD}@nowhere.invalid/db")
    assert text.startswith("cannot connect to postgresql://user@nowhere.invalid/db: ")


def test_another_kind_of_url_is_no_store() -> None:
    with pytest.raises(StoreError, match="there is none by mysql://"):
        open_store("mysql://user:secret@host/db")


async def test_a_later_schema_is_not_touched(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database("cmpd_template")
    postgres_server.execute("UPDATE cmpd_schema SET version = 99", url.rpartition("/")[2])
    assert "schema 99 of a later cmpd" in await _refusal(url)


async def test_an_earlier_schema_is_migrated_by_whoever_comes_first(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.new_database("cmpd_template")
    added = ("CREATE TABLE added (number integer)", "INSERT INTO added VALUES (1)")
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, added))
    stores = [open_store(url) for _ in range(3)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await store.close()
    monkeypatch.setattr(migrations, "MIGRATIONS", MIGRATIONS)
    assert f"schema {len(MIGRATIONS) + 1} of a later cmpd" in await _refusal(url)


async def test_identities_are_found_by_key_after_the_migration(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.new_database()
    name = url.rpartition("/")[2]
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", MIGRATIONS[:2])
        create_store(url)
    for id, state, subject in (("1", "active", "CN=blkA"), ("2", "blocked", "cn=BLKA"), ("3", "active", "%")):
        postgres_server.execute(
            "INSERT INTO entities (id, name, state, policies, reference_list, identity_list, attributes, "
            f"created, version) VALUES ('{id}', 'x', '{state}', '[]', '[]', '[[\"subject\",\"{subject}\"]]', "
            "'{}', 0, 1)",
            name,
        )
    store = open_store(url)
    await store.open()
    found = await store.entities_by_identity("subject", identity_key("subject", "CN=blka"))
    assert [one.id for one in found] == ["2"]
    assert await store.integrity() == []
    await store.close()


async def test_an_old_server_is_named(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990000)
    url = postgres_server.new_database("cmpd_template")
    assert "cmpd needs 99 or later: upgrade the server" in await _refusal(url)


def test_a_store_is_not_made_over_another(postgres_server: PostgresServer) -> None:
    with pytest.raises(StoreError, match="holds a store already"):
        create_store(postgres_server.new_database("cmpd_template"))
