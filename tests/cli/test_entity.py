"""`cmpd entity`: what an operator does to end entities, and what the audit says of it."""

from __future__ import annotations

import io
import os
import uuid

import pytest

from cmpd.clm.entities.entity_acts import password_context
from cmpd.clm.model import Entity, Identity
from cmpd.clm.store.base import Store
from tests.cli.conftest import OTHER_POLICY, POLICY, Operator


def _stored(operator: Operator, id: str) -> Entity:
    async def read(store: Store) -> Entity:
        entity = await store.entity(id)
        assert entity is not None
        return entity

    return operator.in_store(read)


def _password(operator: Operator, id: str) -> str:
    sealed = _stored(operator, id).password
    assert sealed is not None
    return operator.master_key.open(sealed, password_context(id)).decode()


def test_add_prints_the_uuid_the_password_and_the_command_to_use_them(operator: Operator) -> None:
    answer = operator("entity", "add", "gate 7")
    assert answer.status == 0
    id = answer.out.splitlines()[0].split()[1]
    assert str(uuid.UUID(id)) == id
    password = _password(operator, id)
    assert len(password) >= 20
    command = answer.out.splitlines()[-1].strip()
    assert command.startswith("openssl cmp -cmd ir -server 127.0.0.1:8504 -path cmp ")
    assert f"-ref {id} -secret pass:{password} " in command
    assert command.endswith("-subject '/CN=gate 7'")


def test_the_password_is_shown_once(operator: Operator) -> None:
    added = operator("entity", "add", "gate", "--json").json
    for words in (("show", added["id"]), ("show", added["id"], "--json"), ("list",), ("list", "--json")):
        assert added["new_password"] not in operator("entity", *words).out


def test_add_takes_the_clients_default_policy_or_the_ones_named(operator: Operator) -> None:
    assert operator("entity", "add", "a", "--json").json["policies"] == [POLICY]
    words = ["--policy", "servers", "--policy", POLICY, "--json"]
    assert operator("entity", "add", "b", *words).json["policies"] == [OTHER_POLICY, POLICY]


def test_add_takes_everything_an_entity_has(operator: Operator) -> None:
    fingerprint = "AB:" * 31 + "AB"
    words = [
        "--id",
        "251069B7-BCC3-4911-B312-04327925A1AA",
        "--reference",
        "gate-7",
        "--reference",
        "hex:00ff",
    ]
    words += ["--identity", "serialNumber=4711", "--identity", f"fingerprint={fingerprint}", "--uses", "1"]
    shown = operator("entity", "add", "gate", *words, "--expires", "12h", "--json").json
    assert shown["id"] == "251069b7-bcc3-4911-b312-04327925a1aa"
    assert shown["references"] == ["gate-7", "hex:00ff"]
    assert shown["identities"][1] == {"kind": "fingerprint", "value": "ab" * 32}
    entity = _stored(operator, shown["id"])
    assert entity.references == (b"gate-7", b"\x00\xff")
    assert entity.identities[0] == Identity("serialNumber", "4711")
    assert entity.password_uses == 1
    assert entity.password_expires == entity.created + 12 * 3600


def test_show_says_it_in_words(operator: Operator) -> None:
    words = ["--identity", "serialNumber=4711", "--identity", "subject=CN=gate", "--policy", "devices"]
    assert operator("entity", "add", "gate", *words).status == 0
    shown = dict(line.split(maxsplit=1) for line in operator("entity", "show", "gate").out.splitlines())
    assert shown["name"] == "gate"
    assert shown["password"] == "yes"
    assert shown["identities"] == "serialNumber=4711, subject=CN=gate"
    assert shown["policies"] == POLICY


def test_an_entity_without_a_password_authenticates_by_certificate_only(operator: Operator) -> None:
    shown = operator("entity", "add", "gate", "--no-password", "--json").json
    assert shown["new_password"] is None
    assert _stored(operator, shown["id"]).password is None


@pytest.mark.parametrize("source", ["file", "stdin", "environment"])
def test_a_password_comes_in_by_anything_but_an_argument(
    operator: Operator, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = operator.folder / "password"
    file.write_text("pässword of 3\nsecond line\n", "utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("pässword of 3\n"))
    monkeypatch.setenv("GATE_PASSWORD", "pässword of 3")
    ways = {
        "file": ["--password-file", str(file)],
        "stdin": ["--password-file", "-"],
        "environment": ["--password-env", "GATE_PASSWORD"],
    }
    answer = operator("entity", "add", "gate", *ways[source])
    assert answer.status == 0
    assert "pässword" not in answer.out
    assert _password(operator, answer.out.split()[1]) == "pässword of 3"


def test_asked_for_twice_a_password_has_to_be_the_same(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["one", "another"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    assert "differ" in operator("entity", "add", "gate", "--ask-password").complaint
    assert operator("entity", "list", "--json").json == []


def test_a_new_password_voids_the_old_one(operator: Operator) -> None:
    added = operator("entity", "add", "gate", "--uses", "1", "--json").json
    changed = operator("entity", "password", "gate", "--json").json
    assert changed["new_password"] != added["new_password"]
    assert _password(operator, added["id"]) == changed["new_password"]
    assert changed["password_uses"] is None


def test_block_and_unblock(operator: Operator) -> None:
    id = operator("entity", "add", "gate", "--json").json["id"]
    assert operator("entity", "block", id).status == 0
    assert _stored(operator, id).state == "blocked"
    assert "already" in operator("entity", "block", id).out
    assert operator("entity", "unblock", "gate").status == 0
    assert _stored(operator, id).state == "active"


def test_list_searches(operator: Operator) -> None:
    for name in ("gate-north", "gate-south", "pump"):
        assert operator("entity", "add", name).status == 0
    assert [one["name"] for one in operator("entity", "list", "pump", "--json").json] == ["pump"]
    assert len(operator("entity", "list", "gate", "--json").json) == 2
    assert operator("entity", "list").out.splitlines()[0].split() == ["UUID", "STATE", "PASSWORD", "NAME"]


def test_every_act_is_in_the_audit_with_who_did_it_and_without_secrets(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmpd.cli.configuring.actor", lambda: "operator:anna")
    added = operator("entity", "add", "gate", "--json").json
    changed = operator("entity", "password", "gate", "--json").json
    assert operator("entity", "block", "gate").status == 0
    assert operator("entity", "unblock", "gate").status == 0
    events = [one.event for one in operator.audit()]
    acts = [one for one in events if one.action.startswith("entity.")]
    assert [one.action for one in acts] == ["entity.add", "entity.password", "entity.block", "entity.unblock"]
    assert {one.subject for one in acts} == {f"entity:{added['id']}"}
    assert {one.actor for one in acts} == {"operator:anna"}
    for secret in (added["new_password"], changed["new_password"]):
        assert secret not in repr(events)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["show", "nobody"], "there is no entity 'nobody'"),
        (["block", "251069b7-bcc3-4911-b312-04327925a1aa"], "there is no entity"),
        (["add", "x", "--policy", "nonsense"], "there is no policy 'nonsense'; there are: devices, servers"),
        (["add", "x", "--password-env", "UNSET_VARIABLE"], "the password is empty"),
        (["add", "x", "--password-file", "/nonexistent"], "/nonexistent"),
        (["add", "x", "--reference", "hex:0g"], "--reference: 'hex:0g': hexadecimal is expected after hex:"),
        (["add", "x", "--identity", "fingerprint=00"], "--identity: a fingerprint is the SHA-256"),
        (
            ["add", "x", "--identity", "nonsense=1"],
            "--identity: subject=…, serialNumber=… or",
        ),
        (
            ["add", "x", "--identity", "subject=Device 1"],
            "'Device 1' is not a distinguished name such as CN=",
        ),
        (["add", "x", "--identity", "serialNumber="], "is expected, not 'serialNumber='"),
        (["add", "x", "--anchor", "/nonexistent"], "--anchor: /nonexistent cannot be read; a PEM file"),
        (["add", "x", "--anchor", __file__], "one certificate in PEM is expected: the trust anchor"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(operator: Operator, words: list[str], text: str) -> None:
    assert text in operator("entity", *words).complaint
    assert operator("entity", "list", "--json").json == []


@pytest.mark.parametrize(
    "words",
    [
        ["--id", "nonsense"],
        ["--uses", "0"],
        ["--expires", "soon"],
    ],
)
def test_a_wrong_value_is_a_usage_error(operator: Operator, words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        operator("entity", "add", "x", *words)
    assert end.value.code == os.EX_USAGE


def test_what_must_be_unique_stays_unique(operator: Operator) -> None:
    words = ["--id", "251069b7-bcc3-4911-b312-04327925a1aa", "--reference", "gate-7"]
    assert operator("entity", "add", "first", *words).status == 0
    assert "251069b7" in operator("entity", "add", "second", *words[:2]).complaint
    assert b"gate-7".hex() in operator("entity", "add", "third", *words[2:]).complaint
    assert len(operator("entity", "list", "--json").json) == 1


def test_a_name_that_two_have_names_neither(operator: Operator) -> None:
    for _ in range(2):
        assert operator("entity", "add", "twin").status == 0
    assert "name one by its UUID" in operator("entity", "block", "twin").complaint


def test_a_wrong_master_key_is_named(operator: Operator) -> None:
    (operator.folder / "master.key").chmod(0o644)
    answer = operator("entity", "list")
    assert answer.status == os.EX_CONFIG
    assert "chmod 600" in answer.complaint


def test_a_store_that_is_not_there_is_named_with_the_remedy(operator: Operator) -> None:
    (operator.folder / "cmpd.db").unlink()
    answer = operator("entity", "list")
    assert answer.status == os.EX_CONFIG
    assert "cmpd.db" in answer.complaint
    assert "init" in answer.complaint
