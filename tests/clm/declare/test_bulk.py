"""End entities in bulk: what is wrong is told by line before anything is stored."""

from __future__ import annotations

import io
from typing import Any

import pytest

from cmpd.clm.declare.bulk import (
    BulkError,
    Importer,
    export_csv,
    export_json_lines,
    read_csv,
    read_json_lines,
)
from cmpd.clm.model import Act, Entity, Identity
from cmpd.clm.store.base import Store
from tests.clm.conftest import PKI

ONE = "11111111-2222-3333-4444-555555555555"
CSV = f"""\
id,name,policies,references,identities,password,password_uses,password_expires,serial
{ONE},pump,default,a hex:00ff,serialNumber=1,secret,1,30d,S1
,valve,default,,,,,,
"""


def take_in(pki: PKI, text: str, *, passwords: bool = False, csv: bool = True) -> list[Entity]:
    async def work(store: Store) -> list[Entity]:
        importer = Importer(store, pki.master_key, Act("operator:test", pki.now), ())
        reader = read_csv if csv else read_json_lines
        rows = await importer.rows(reader(io.StringIO(text, newline="")), passwords=passwords)
        async for _ in importer.store(rows):
            pass
        return [one for row in rows if (one := await store.entity(row.entity.id))]

    return pki.run(work)


def test_csv_brings_names_policies_references_identities_passwords_and_attributes(pki: PKI) -> None:
    pump, valve = take_in(pki, CSV)
    assert (pump.id, pump.name, pump.password_uses) == (ONE, "pump", 1)
    assert (pump.password_expires, valve.password_expires) == (pki.now + 30 * 86400, None)
    assert pump.references == (b"a", b"\x00\xff")
    assert pump.identities == (Identity("serialNumber", "1"),)
    assert pump.attributes == {"serial": "S1"}
    assert pump.password is not None
    assert pki.master_key.open(pump.password, f"entity:{ONE}") == b"secret"
    assert valve.password is None
    assert valve.policies == pump.policies


def test_who_brings_no_password_gets_one_where_asked(pki: PKI) -> None:
    assert all(entity.password for entity in take_in(pki, CSV, passwords=True))


def test_what_is_exported_can_be_taken_in_elsewhere(pki: PKI) -> None:
    entities = take_in(pki, CSV)

    async def lines(store: Store) -> str:
        return "".join([line async for line in export_json_lines(store)])

    async def table(store: Store) -> str:
        file = io.StringIO(newline="")
        async for _ in export_csv(store, file, "pump"):
            pass
        return file.getvalue()

    text = pki.run(lines)
    assert "secret" not in text
    documents = [document for _, document in read_json_lines(io.StringIO(text))]
    assert {document["id"] for document in documents} >= {entity.id for entity in entities}
    ((_, pump),) = read_csv(io.StringIO(pki.run(table), newline=""))
    assert pump["references"] == ["a", "hex:00ff"]


FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("line 1: a heading", "nom,politique\n", {}),
    ("line 2: 2 fields are expected", "name,policies\nx\n", {}),
    ("line 2: 1 fields are expected", "name\nx,y\n", {}),
    ("line 3: policies: there is no policy 'nix'", "name,policies\nx,default\ny,nix\n", {}),
    ("line 2: name: is missing", "name,policies\n,default\n", {}),
    ("line 2: id: a UUID", "id,name\n1,x\n", {}),
    ("line 2: state: one of active, blocked", "name,state\nx,asleep\n", {}),
    ("line 2: password_uses: a whole number", "name,password_uses\nx,many\n", {}),
    ("line 2: password_expires: a duration", "name,password_expires\nx,soon\n", {}),
    ("line 2: references[1]", "name,references\nx,a hex:zz\n", {}),
    ("line 2: identities[0]", "name,identities\nx,imei=1\n", {}),
    ("line 3: a stands in line 2 already", "name,references\nx,a\ny,a\n", {}),
    (f"line 3: {ONE} stands in line 2 already", f"id,name\n{ONE},x\n{ONE},y\n", {}),
    ("line 1: no JSON", "{", {"csv": False}),
    ("line 2: an object is expected", '{"name": "x"}\n[]\n', {"csv": False}),
    ("line 1: nam: unknown key; 'name' is meant?", '{"nam": "x"}\n', {"csv": False}),
    ("line 1: attributes: a table of texts", '{"name": "x", "attributes": {"a": []}}\n', {"csv": False}),
]


@pytest.mark.parametrize(("words", "text", "how"), FAULTS, ids=[words for words, *_ in FAULTS])
def test_a_faulty_line_is_named_and_nothing_is_stored(
    pki: PKI, words: str, text: str, how: dict[str, Any]
) -> None:
    with pytest.raises(BulkError) as error:
        take_in(pki, text, **how)
    assert str(error.value).startswith(words)

    async def count(store: Store) -> int:
        return len([one async for one in store.entities()])

    assert pki.run(count) == 1


def test_an_entity_that_is_there_already_is_told_with_how_many_were_stored(pki: PKI) -> None:
    take_in(pki, CSV)
    with pytest.raises(BulkError, match="0 entities are stored"):
        take_in(pki, CSV)
