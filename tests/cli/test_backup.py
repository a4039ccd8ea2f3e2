"""`cmpd backup` and `cmpd restore`: nothing is lost, nothing is overwritten."""

from __future__ import annotations

import os

from tests.cli.conftest import Operator


def test_a_backup_restores_what_the_store_held_when_it_was_taken(operator: Operator) -> None:
    assert operator("entity", "add", "before").status == 0
    copy = operator.folder / "copy.db"
    assert operator("backup", str(copy)).status == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert operator("entity", "add", "after").status == 0
    for file in operator.folder.glob("cmpd.db*"):
        file.unlink()
    assert operator("restore", str(copy)).status == 0
    assert [one["name"] for one in operator("entity", "list", "--json").json] == ["before"]


def test_a_backup_is_written_down(operator: Operator) -> None:
    operator("backup", str(operator.folder / "copy.db"))
    assert operator.audit()[-1].event.action == "store.backup"


def test_neither_a_file_nor_a_store_is_overwritten(operator: Operator) -> None:
    copy = operator.folder / "copy.db"
    operator("backup", str(copy))
    before = copy.read_bytes()
    for words in (("backup", str(copy)), ("restore", str(copy))):
        answer = operator(*words)
        assert answer.status == os.EX_CANTCREAT
        assert "exists already" in answer.complaint
    assert copy.read_bytes() == before


def test_where_no_backup_can_be_written_is_named(operator: Operator) -> None:
    answer = operator("backup", str(operator.folder / "nowhere" / "copy.db"))
    assert answer.status == os.EX_CANTCREAT
    assert f"there is no folder {operator.folder / 'nowhere'}" in answer.complaint


def test_a_backup_that_is_not_there_is_named(operator: Operator) -> None:
    answer = operator("restore", "nowhere.db")
    assert answer.status == os.EX_DATAERR
    assert "there is no backup nowhere.db" in answer.complaint


def test_what_is_no_store_is_not_restored(operator: Operator) -> None:
    rubbish = operator.folder / "rubbish"
    rubbish.write_bytes(b"no database at all" * 100)
    (operator.folder / "cmpd.db").rename(operator.folder / "away.db")
    assert "not an SQLite database" in operator("restore", str(rubbish)).complaint
    assert not (operator.folder / "cmpd.db").exists()


def test_restore_is_not_for_postgresql(operator: Operator) -> None:
    (operator.folder / "cmpd.conf").write_text('store = "postgresql://db/cmpd"\n')
    assert "SQLite" in operator("restore", "x").complaint
