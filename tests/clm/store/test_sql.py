"""Each statement stands once, and both engines take it."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import asdict, fields

import pytest

from cmpd.clm.model import Certificate
from cmpd.clm.store.columns import CERTIFICATE_COLUMNS, spans
from cmpd.clm.store.dialect import Engine, Listed, rendered
from cmpd.clm.store.sql import Statements, statements
from cmpd.clm.store.sqlite.sql import MIGRATIONS
from tests.support.postgres import PostgresServer

NAMES = [field.name for field in fields(Statements)]


@pytest.mark.parametrize(
    ("template", "sqlite", "postgres"),
    [
        ("a = ?1 AND b = ?12", "a = ?1 AND b = ?12", "a = $1 AND b = $12"),
        ("?2::bigint IS NULL", "?2 IS NULL", "$2::bigint IS NULL"),
        ("sum(n)::bigint", "sum(n)", "sum(n)::bigint"),
        ("{row}", "id, name, state", "id, name, state"),
        ("{row:t}", "t.id, t.name, t.state", "t.id, t.name, t.state"),
        ("{row.values}", "?1, ?2, ?3", "$1, $2, $3"),
        ("{row.settings}", "name = ?2, state = ?3", "name = $2, state = $3"),
        ("version = ?{row.after}", "version = ?4", "version = $4"),
    ],
)
def test_a_template_becomes_what_each_engine_takes(template: str, sqlite: str, postgres: str) -> None:
    words = {"row": Listed(("id", "name", "state"))}
    assert rendered(Engine.SQLITE, template, words) == sqlite
    assert rendered(Engine.POSTGRES, template, words) == postgres


def test_the_groups_of_a_row_follow_each_other() -> None:
    assert list(spans(("a",), ("b", "c"), ("d",))) == [slice(0, 1), slice(1, 3), slice(3, 4)]


def test_a_certificates_columns_are_its_fields_in_their_order() -> None:
    stored = [column for column in CERTIFICATE_COLUMNS if column != "replaces_serial"]
    renamed = {"transaction_id": "transaction", "replaces_ca": "replaces"}
    assert [renamed.get(column, column) for column in stored] == [one.name for one in fields(Certificate)]


@pytest.fixture(scope="module")
def tables() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for migration in MIGRATIONS:
        for step in migration:
            if isinstance(step, str):
                connection.execute(step)
    return connection


@pytest.mark.parametrize("name", NAMES)
def test_sqlite_takes_every_statement(tables: sqlite3.Connection, name: str) -> None:
    statement = asdict(statements(Engine.SQLITE))[name]
    parameters = max(map(int, re.findall(r"\?(\d+)", statement)), default=0)
    assert tables.execute(f"EXPLAIN {statement}", (None,) * parameters).fetchall()


def test_postgresql_takes_every_statement(postgres_server: PostgresServer) -> None:
    import psycopg

    with psycopg.connect(postgres_server.new_database("cmpd_template")) as database:
        for name, statement in asdict(statements(Engine.POSTGRES)).items():
            database.execute(f"PREPARE {name}_ AS {statement}".encode())
