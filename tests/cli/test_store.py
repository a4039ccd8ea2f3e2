"""`cmpd store copy`: from SQLite to PostgreSQL and back, in the operator's words."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Operator
from tests.support.postgres import PostgresServer


def test_a_store_is_copied_to_postgresql_and_back(
    operator: Operator, postgres_server: PostgresServer
) -> None:
    url, back = postgres_server.new_database(), str(operator.folder / "back.db")
    there = operator("store", "copy", str(operator.folder / "cmpd.db"), url, "--json").json
    assert {one["table"]: one["rows"] for one in there}["objects"] == 3
    answer = operator("store", "copy", url, back)
    assert answer.status == 0
    assert "The copy is equal in every row." in answer.out
    (operator.folder / "cmpd.db").unlink()
    (operator.folder / "back.db").rename(operator.folder / "cmpd.db")
    assert [record.event.action for record in operator.audit()] == ["store.copy", "store.copy"]


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        ("none.db", "new.db", "there is no store"),
        ("cmpd.db", "cmpd.db", "are the same store"),
        ("cmpd.db", "missing/new.db", "cannot make the store"),
        ("cmpd.db", "postgresql://user:secret@host/db", "keep it in ~/.pgpass"),
        ("cmpd.db", "postgresql://user@host/db?password=secret", "keep it in ~/.pgpass"),
        ("postgresql://user@host/db?sslpassword=secret", "new.db", "keep it in ~/.pgpass"),
        ("cmpd.db", "postgresql://[user:secret@host/db", "not of the form postgresql://user@host"),
        ("cmpd.db", "postgresql://user@host/db?sslp%61ssword=secret", "keep it in ~/.pgpass"),
        ("cmpd.db", "postgresql://user@127.0.0.1:1/db", "is it running"),
        ("cmpd.db", "mysql://host/db", "there is none by mysql://"),
    ],
)
def test_what_cannot_be_copied_is_said_in_one_line(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, source: str, target: str, complaint: str
) -> None:
    monkeypatch.chdir(operator.folder)
    before = sorted(path.name for path in operator.folder.iterdir() if path.suffix != ".lock")
    said = operator("store", "copy", source, target).complaint
    assert complaint in said
    assert "secret" not in said
    after = sorted(path.name for path in operator.folder.iterdir() if path.suffix != ".lock")
    assert set(after) - set(before) <= {"cmpd.db-wal", "cmpd.db-shm"}
