"""A declaration changes what differs, all of it or nothing, and its errors name the line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cmpd.clm.configuration.objects import Draft
from cmpd.clm.declare.declaration import Declaration, DeclarationError
from cmpd.clm.declare.export import export
from cmpd.clm.declare.lines import Lines
from cmpd.clm.entities.entity_acts import password_context
from cmpd.clm.model import EntityState, ObjectKind
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import UpdateEntity
from tests.clm.conftest import PKI

SENSOR = "11111111-2222-3333-4444-555555555555"
FACTORY = """\
# A small factory
[ca.issuing]
url = "http://pki.factory.example"
crl = { validity = "2d", overlap = "12h" }

[template.sensor]
validity = "90d"
extended_key_usage = [
    "clientAuth",  # for MQTT over TLS
]

[policy.sensors]
ca = "issuing"
template = "sensor"
excess = "refuse"
validity.longest = "180d"

[policy.sensors.subject]
required = ["CN"]
fixed = { O = "Factory" }

[client.line-3]
default_policy = "sensors"
policies = ["sensors", "default"]
secret_file = "line-3.secret"

[entity.11111111-2222-3333-4444-555555555555]
name = "sensor 1"
policies = ["sensors"]
references = ["sn-0001", "hex:00ff"]
identities = ["serialNumber=0001"]
attributes = { serial = "0001" }
password_file = "sensor.password"
"""


def carry_out(pki: PKI, text: str, *, commit: bool = True) -> list[str]:
    """The differences that were found, and by default made."""

    async def work(store: Store) -> list[str]:
        draft = await Draft.of(store, pki.master_key, pki.maker.act)
        declaration = await Declaration.read(draft, pki.folder / "factory.toml", text)
        if commit:
            await draft.commit()
        return declaration.differences

    return pki.run(work)


@pytest.fixture
def factory(pki: PKI) -> PKI:
    (pki.folder / "line-3.secret").write_text("a secret of line three\n", "utf-8")
    (pki.folder / "sensor.password").write_text("sensor's password\n", "utf-8")
    return pki


def test_a_declaration_is_made_so_and_then_there_is_nothing_to_change(factory: PKI) -> None:
    differences = carry_out(factory, FACTORY)
    assert [line[:2] + line[2:].split(":")[0] for line in differences] == [
        "~ ca issuing",
        "+ template sensor",
        "+ policy sensors",
        "+ client line-3",
        "+ entity 11111111-2222-3333-4444-555555555555",
    ]
    assert carry_out(factory, FACTORY) == []
    assert factory.authority().crl.validity == 2 * 86400

    async def log_in(store: Store) -> bool:
        catalog = (await factory.client(store)).catalog
        client = await catalog.client("line-3")
        assert client is not None
        return client.accepts("a secret of line three", factory.now)

    assert factory.run(log_in)


def test_a_dry_run_changes_nothing(factory: PKI) -> None:
    assert carry_out(factory, FACTORY, commit=False)
    assert len(carry_out(factory, FACTORY)) == 5


def test_what_changed_is_told_with_before_and_after(factory: PKI) -> None:
    carry_out(factory, FACTORY)
    text = FACTORY.replace('excess = "refuse"', 'excess = "trim"').replace("sensor 1", "sensor one")
    text = text.replace('policies = ["sensors"]', 'policies = ["default"]\nstate = "blocked"')
    assert carry_out(factory, text) == [
        "~ policy sensors: excess refuse → (default)",
        "~ entity 11111111-2222-3333-4444-555555555555: name, policies, state",
    ]
    found = factory.run(lambda store: store.entity("11111111-2222-3333-4444-555555555555"))
    assert found is not None
    assert found.state is EntityState.BLOCKED


def test_a_password_file_that_changed_changes_the_password(factory: PKI) -> None:
    carry_out(factory, FACTORY)
    (factory.folder / "sensor.password").write_text("another one", "utf-8")
    assert carry_out(factory, FACTORY) == ["~ entity 11111111-2222-3333-4444-555555555555: password"]


def test_a_password_that_opens_no_more_is_given_anew(factory: PKI) -> None:
    carry_out(factory, FACTORY)

    async def spoil(store: Store) -> None:
        entity = await store.entity(SENSOR)
        assert entity is not None
        sealed = factory.master_key.seal(b"another's", password_context("another"))
        await store.commit([UpdateEntity(replace(entity, password=sealed))])

    factory.run(spoil)
    assert carry_out(factory, FACTORY) == [f"~ entity {SENSOR}: password"]
    assert carry_out(factory, FACTORY) == []


def test_what_is_exported_changes_nothing_when_applied(factory: PKI) -> None:
    carry_out(factory, FACTORY)

    async def work(store: Store) -> str:
        return "\n".join([table async for table in export(store)])

    text = factory.run(work)
    assert carry_out(factory, text) == []
    for secret in ("a secret of line three", "sensor's password", "GTTgcdagW"):
        assert secret not in text


FAULTS = [
    ("no TOML", "[ca", None),
    ("an unknown section", "[policies.x]\n", 1),
    ("an unknown CA", '\n[ca.nowhere]\nurl = "http://x"\n', 2),
    ("a CA's unknown key", '[ca.issuing]\n\nkey = "x"\n', 3),
    ("an unknown key", '[policy.x]\nca = "issuing"\ntemplate = "device"\nexces = "trim"\n', 4),
    ("a missing key", '\n\n[policy.x]\nca = "issuing"\n', 3),
    ("a wrong value", '[policy.x]\nca = "issuing"\n# one\ntemplate = "device"\nexcess = "no"\n', 5),
    ("a wrong value in a list", '[template.x]\ntake = [\n  "subjectAltName",\n  "x",\n]\n', 2),
    ("a wrong value in a subtable", '[policy.x]\nca = "issuing"\ntemplate = "device"\n'
     '[policy.x.keys]\nrsa_min = 1\n', 5),
    ("a contradiction", '[policy.x]\nca = "issuing"\ntemplate = "device"\n\nvalidity.longest = "1d"\n', 5),
    ("a template nobody knows", '[policy.x]\nca = "issuing"\ntemplate = "nothing"\n', 3),
    ("another id", '[policy.default]\nid = "11111111-2222-3333-4444-555555555555"\n', 2),
    ("a client's unknown policy", '[client.x]\nsecret_file = "line-3.secret"\ndefault_policy = "no"\n', 1),
    ("a client without a secret", "[client.x]\n", 1),
    ("a file that is not there", '[client.x]\nsecret_file = "nothing"\n', 2),
    ("an entity without UUID", '[entity.pump]\nname = "x"\n', 1),
    ("an entity's unknown policy", '[entity.11111111-2222-3333-4444-555555555555]\nname = "x"\n'
     'policies = ["no"]\n', 1),
    ("a secret in the file", '[entity.11111111-2222-3333-4444-555555555555]\nname = "x"\n'
     'password = "p"\n', 3),
    ("an identity of no kind", '[entity.11111111-2222-3333-4444-555555555555]\nname = "x"\n'
     'identities = ["imei=1"]\n', 3),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "line"), FAULTS, ids=[what for what, *_ in FAULTS])
def test_an_error_names_the_line_and_nothing_is_changed(
    factory: PKI, what: str, text: str, line: int | None
) -> None:
    text = '[template.first]\nvalidity = "1d"\n' + text
    with pytest.raises(DeclarationError) as error:
        carry_out(factory, text)
    expected = f"{factory.folder / 'factory.toml'}" + (f", line {line + 2}: " if line else ": ")
    assert str(error.value).startswith(expected)
    assert "\n" not in str(error.value)
    assert factory.run(lambda store: store.object(ObjectKind.TEMPLATE, "first")) is None


def test_lines_are_found_in_every_way_toml_spells_keys(tmp_path: Path) -> None:
    text = '''\
a = 1
"b c".d = """
x = 2
[e]
"""
# [f]
[e.'f.g']
h = { i = 1,  j = [ 2,
 3 ] }

[[k]]
l = 1
'''
    lines = Lines(text)
    for path, line in (
        (("a",), 1),
        (("b c", "d"), 2),
        (("e", "f.g"), 7),
        (("e", "f.g", "h"), 8),
        (("e", "f.g", "h", "j"), 8),
        (("e", "f.g", "z"), 7),
        (("k", "l"), 12),
        (("nothing",), 1),
    ):
        assert lines.of(*path) == line, path
