"""What operators give to registration authorities, and what they are told of who may do what."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.model import Certificate, CertificateState
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate
from tests.cli.conftest import POLICY, Operator
from tests.cmp.world import RA_ROOT, ra_holder

LINE_RA = ra_holder("line RA", 160)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ra.pem").write_text(pem_text(LINE_RA.der))
    (tmp_path / "root.pem").write_text(pem_text(RA_ROOT.der))
    return tmp_path


def test_one_command_gives_a_registration_authority_its_rights_and_one_takes_them(
    cmpd: Operator, files: Path
) -> None:
    given = cmpd(
        *("policy", "add-ra", POLICY, "line", "--certificate", str(files / "root.pem")),
        *("--right", "enrol", "--right", "raVerified", "--subject", "CN=pump-[0-9]+"),
    )
    assert given.status == 0
    rows = cmpd("policy", "show", POLICY).json["registration_authorities"]
    assert [(row["name"], row["rights"], row["subject"]) for row in rows] == [
        ("line", ["enrol", "raVerified"], {"CN": "pump-[0-9]+"})
    ]
    told = cmpd("policy", "explain", POLICY).out
    assert "the registration authority line (for names with CN = pump-[0-9]+)" in told
    assert "  may get certificates for others (ir, cr, p10cr), if its patterns cover the names" in told
    assert "  may not revoke certificates of others (rr): rights: revoke is not set" in told
    assert cmpd("policy", "remove-ra", POLICY, "line").status == 0
    assert "registration authority" not in cmpd("policy", "explain", POLICY).out
    assert (
        "has no registration authority 'line'; it has none"
        in cmpd("policy", "remove-ra", POLICY, "line").complaint
    )


def test_an_entity_is_made_a_registration_authority_and_told_what_it_may(cmpd: Operator) -> None:
    entity = cmpd("entity", "add", "office", "--json").json["id"]
    assert cmpd("policy", "add-ra", POLICY, "office", "--entity", "office", "--right", "revoke").status == 0
    told = cmpd("explain", "office").out
    assert f"office ({entity}) is active" in told
    assert "by its password\n  may get certificates (ir, cr, p10cr)" in told
    assert "as the registration authority office" in told
    assert "  may revoke certificates of others (rr), if the certificate is of this policy" in told
    cmpd("entity", "block", "office")
    assert "it gets nothing by whatever protection" in cmpd("explain", "office").out


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("--right", "enrol"), "has neither certificates nor entities: say who the RA is"),
    (("--right", "enrol", "--certificate", "nothing.pem"), "nothing.pem cannot be read: No such file"),
    (("--right", "everything", "--entity", "office"), "one of enrol, update"),
    (("--right", "enrol", "--entity", "nobody"), "there is no entity 'nobody'"),
    (("--right", "enrol", "--entity", "office", "--subject", "pump"), "is not NAME=PATTERN"),
    (("--right", "enrol", "--entity", "office", "--subject", "CN=("), "no regular expression"),
    (("--right", "enrol", "--entity", "office", "--san", "host=x"), "one of dns, ip"),
]


@pytest.mark.parametrize(("words", "text"), MISTAKES)
def test_a_row_with_a_mistake_is_refused_in_one_line(
    cmpd: Operator, words: tuple[str, ...], text: str
) -> None:
    assert cmpd("entity", "add", "office").status == 0
    before = cmpd("policy", "show", POLICY).json
    assert text in cmpd("policy", "add-ra", POLICY, "line", *words).complaint
    assert cmpd("policy", "show", POLICY).json == before


def issued(cmpd: Operator, serial: int, subject: str, entity: str | None = None) -> None:
    record = Certificate(
        ca="issuing-1",
        serial=serial,
        der=LINE_RA.der,
        subject=subject,
        not_before=0,
        not_after=2**31,
        key_id=b"k",
        key_hash=b"h",
        entity=entity,
        policy=POLICY,
        transaction=None,
        state=CertificateState.ACTIVE,
        issued=0,
    )

    async def add(store: Store) -> None:
        await store.commit((AddCertificate(record),))

    cmpd.in_store(add)


def test_the_holder_of_a_certificate_without_an_entity_is_blocked_by_one_command(cmpd: Operator) -> None:
    for serial, subject in ((1, "CN=pump-1"), (2, "CN=pump-1"), (3, "CN=pump-11")):
        issued(cmpd, serial, subject)
    done = cmpd("cert", "block", "1")
    assert done.status == 0, done.err
    assert "2 certificates of CN=pump-1 belong to a blocked end entity now" in done.out
    listed = {one["serial"]: one["entity"] for one in cmpd("cert", "list", "--json").json}
    assert listed["1"] == listed["2"] is not None
    assert listed["3"] is None
    shown = cmpd("entity", "show", "CN=pump-1", "--json").json
    assert (shown["state"], shown["policies"], shown["password"]) == ("blocked", [POLICY], False)
    assert f"`cmpd entity block {listed['1']}`" in cmpd("cert", "block", "1").complaint
