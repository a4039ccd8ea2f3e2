"""Identities as an operator writes them: what was understood is shown, and what may never match is told."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from cmpd.cli import main
from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.model import Entity, Identity
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, AddEntity
from tests.cli.conftest import Operator
from tests.clm import pki
from tests.support.records import a_certificate, an_entity

A = pki.Plan(pki.name("Vendor A"), pki.key("P-256", 1), ca=True).issue(None)
B = pki.Plan(pki.name("Vendor B"), pki.key("P-256", 2), ca=True).issue(None)
SHA256_A = hashlib.sha256(A.der).hexdigest()
ID = "251069b7-bcc3-4911-b312-04327925a1aa"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    config = ["-c", str(folder / "cmpd.conf")]
    assert main([*config, "init"]) == 0
    (folder / "a.pem").write_text(pem_text(A.der), "utf-8")
    (folder / "b.pem").write_text(pem_text(B.der), "utf-8")
    (folder / "policies.toml").write_text(
        '[policy.one]\nca = "issuing"\ntemplate = "device"\ntrust_anchors = ["a.pem"]\n'
        '[policy.both]\nca = "issuing"\ntemplate = "device"\ntrust_anchors = ["a.pem", "b.pem"]\n',
        "utf-8",
    )
    assert main([*config, "apply", str(folder / "policies.toml")]) == 0
    return folder


@pytest.fixture
def cmpd(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    folder = tmp_path / "store"
    shutil.copytree(made, folder)
    return Operator(folder, capsys)


def put(cmpd: Operator, *changes: AddCertificate | AddEntity) -> None:
    async def work(store: Store) -> None:
        await store.commit(changes)

    cmpd.in_store(work)


def identities(cmpd: Operator, id: str) -> tuple[Identity, ...]:
    async def read(store: Store) -> Entity | None:
        return await store.entity(id)

    entity = cmpd.in_store(read)
    assert entity is not None
    return entity.identities


def add(cmpd: Operator, *words: str, policy: str = "one") -> str:
    """Register an entity; what is said of it on stderr."""
    answer = cmpd("entity", "add", "gate", "--id", ID, "--no-password", "--policy", policy, *words)
    assert answer.status == 0, answer.err
    return answer.err


def test_a_subject_is_shown_in_both_orders_and_stored_in_one(cmpd: Operator) -> None:
    words = ["--no-password", "--policy", "one", "--id", ID]
    answer = cmpd("entity", "add", "gate", *words, "--identity", "subject=C = DE, O = Works, CN = Gate 7")
    shown = "identity  subject=CN=Gate 7,O=Works,C=DE, in the order of encoding /C=DE/O=Works/CN=Gate 7"
    assert answer.out.splitlines() == [f"UUID      {ID}", shown]
    assert identities(cmpd, ID) == (Identity("subject", "CN=Gate 7,O=Works,C=DE"),)
    assert "subject=CN=Gate 7,O=Works,C=DE\n" in cmpd("entity", "show", "gate").out


@pytest.mark.parametrize(
    "nonsense", ["subject=Gate 7", "subject=XY=1", "subject=CN=", "serialNumber=", "imei=1"]
)
def test_nonsense_is_refused_in_one_line(cmpd: Operator, nonsense: str) -> None:
    answer = cmpd("entity", "add", "gate", "--identity", nonsense)
    assert answer.status == os.EX_USAGE
    assert answer.complaint.startswith("cmpd: --identity: ")
    assert cmpd("entity", "list", "--json").json == []


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("CN=gate 7,O=WORKS,C=DE", None),
        (
            "C=DE,O=Works,CN=Gate 7",
            "but /C=DE/O=Works/CN=Gate 7 is: it seems",
        ),
        (
            "CN=Gate 8,O=Works,C=DE",
            "is not known yet, in neither order (compared with 5 certificates",
        ),
    ],
)
@pytest.mark.parametrize("known", ["certificate", "vendor", "identity"])
def test_a_subject_that_fits_no_known_name_is_told_of(
    cmpd: Operator, known: str, subject: str, told: str | None
) -> None:
    name = "CN=Gate 7,O=Works,C=DE"
    registered = (Identity("subject", name, "ab" * 32),) if known == "identity" else ()
    put(
        cmpd,
        AddCertificate(a_certificate(subject=name if known == "certificate" else "CN=x")),
        AddEntity(an_entity(name=name if known == "vendor" else "x", identities=registered)),
    )
    said = add(cmpd, "--identity", f"subject={subject}")
    assert bool(said) == (told is not None)
    assert told is None or told in said
    assert said == "" or said.startswith("cmpd: warning: subject ")


UNBOUND = (
    "names no vendor certificate under policy both with its several trust anchors: bind it to its vendor's"
)


@pytest.mark.parametrize(
    ("words", "policy", "told"),
    [
        (["--identity", "serialNumber=1"], "one", None),
        (["--identity", "serialNumber=1"], "both", UNBOUND),
        (["--identity", "serialNumber=1", "--anchor", "a.pem"], "both", None),
        (["--identity", "serialNumber=1", "--anchor", SHA256_A.upper()], "both", None),
        (["--identity", "serialNumber=1", "--anchor", "b.pem"], "one", "no policy of it has that anchor"),
        (["--identity", f"fingerprint={'ab' * 32}"], "both", None),
    ],
)
def test_an_identity_that_nobody_vouches_for_is_told_of_at_once_and_by_check(
    cmpd: Operator, monkeypatch: pytest.MonkeyPatch, words: list[str], policy: str, told: str | None
) -> None:
    monkeypatch.chdir(cmpd.folder)
    said = add(cmpd, *words, policy=policy)
    checked = cmpd("check", "--json").json["warnings"]
    assert [one for one in checked if ID in one] == [line.split(": ", 2)[2] for line in said.splitlines()]
    assert (told in said) if told else (said == "")


def test_the_anchor_is_kept_and_shown(cmpd: Operator) -> None:
    add(cmpd, "--identity", "serialNumber=1", "--anchor", str(cmpd.folder / "a.pem"))
    assert identities(cmpd, ID) == (Identity("serialNumber", "1", SHA256_A),)
    shown = cmpd("entity", "show", ID, "--json").json["identities"]
    assert shown == [{"kind": "serialNumber", "value": "1", "anchor": SHA256_A}]
    assert f"serialNumber=1 (anchor {SHA256_A})" in cmpd("entity", "show", ID).out


def test_a_stored_subject_that_is_no_name_is_told_of_by_check(cmpd: Operator) -> None:
    put(cmpd, AddEntity(an_entity(identities=(Identity("subject", "Gate 7"),))))
    (line,) = [one for one in cmpd("check", "--json").json["warnings"] if "Gate 7" in one]
    assert "subject=Gate 7 never matches: it is not a distinguished name, such as" in line


def test_two_who_have_one_name_in_an_older_store_are_told_of_by_check(cmpd: Operator) -> None:
    put(cmpd, AddEntity(an_entity(identities=(Identity("serialNumber", "sn-1"),))))
    with sqlite3.connect(cmpd.folder / "cmpd.db") as database:
        database.execute("UPDATE entity_identities SET key = '?older'")
    put(cmpd, AddEntity(an_entity(identities=(Identity("serialNumber", "SN-1"),))))
    (line,) = [one for one in cmpd("check", "--json").json["warnings"] if "both have" in one]
    assert line.lower().endswith("both have serialnumber=sn-1: declare one of them without")


def test_a_declaration_names_an_anchor_by_its_file_or_its_SHA_256(cmpd: Operator) -> None:
    file = cmpd.folder / "entities.toml"
    bound = '{kind = "serialNumber", value = "1", anchor = "a.pem"}'
    text = f'[entity.{ID}]\nname = "gate"\npolicies = ["both"]\nidentities = ["subject=/O=x/CN=y", {bound}]\n'
    file.write_text(text, "utf-8")
    answer = cmpd("apply", str(file))
    assert answer.status == 0, answer.err
    assert f"+ entity {ID}\n    subject=CN=y,O=x, in the order of encoding /O=x/CN=y\n" in answer.out
    assert UNBOUND in answer.err
    assert identities(cmpd, ID)[1] == Identity("serialNumber", "1", SHA256_A)
    exported = cmpd("export").out
    assert f'anchor = "{SHA256_A}"' in exported
    file.write_text(exported, "utf-8")
    assert cmpd("apply", str(file)).out == "nothing to change\n"


def test_a_declaration_with_what_is_no_name_is_refused_by_line_and_key(cmpd: Operator) -> None:
    file = cmpd.folder / "entities.toml"
    file.write_text(f'[entity.{ID}]\nname = "gate"\nidentities = ["subject=y"]\n', "utf-8")
    complaint = cmpd("apply", str(file)).complaint
    assert "line 3: entity" in complaint
    assert "identities[0]: 'y' is not a distinguished name such as CN=Device 1,O=Example,C=DE" in complaint


def test_an_import_binds_all_its_identities_to_one_anchor(cmpd: Operator) -> None:
    file = cmpd.folder / "batch.csv"
    file.write_text("name,policies,identities\na,both,serialNumber=1\nb,both,subject=/O=x/CN=y\n", "utf-8")
    answer = cmpd("entity", "import", str(file), "--anchor", str(cmpd.folder / "a.pem"))
    assert answer.status == 0, answer.err
    assert "1 subjects were read; the first one is subject=CN=y,O=x (anchor " in answer.out
    assert "in the order of encoding /O=x/CN=y" in answer.out
    lines = cmpd("entity", "export").out.splitlines()
    assert {one["anchor"] for line in lines for one in json.loads(line)["identities"]} == {SHA256_A}


def test_an_import_is_told_of_twins_that_are_spelled_otherwise(cmpd: Operator) -> None:
    file = cmpd.folder / "batch.csv"
    file.write_text("name,policies,identities\na,one,subject=CN=y\nb,one,subject=CN=Y\n", "utf-8")
    complaint = cmpd("entity", "import", str(file)).complaint
    assert "line 3: subject=CN=Y stands in line 2 already" in complaint


def test_much_advice_is_cut_short(cmpd: Operator) -> None:
    file = cmpd.folder / "batch.csv"
    rows = "".join(f"n{number},both,serialNumber={number}\n" for number in range(30))
    file.write_text(f"name,policies,identities\n{rows}", "utf-8")
    lines = cmpd("entity", "import", str(file)).err.splitlines()
    assert (len(lines), lines[-1]) == (11, "cmpd: warning: and 20 more of the kind")
