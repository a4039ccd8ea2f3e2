"""`cmpd crl import`, `list` and `remove`, and what `check` and `status` say of CRLs that were handed in."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.imported_crls.importing import LARGEST
from tests.cli.conftest import Operator
from tests.clm.crls import CRLPlan, revoking
from tests.clm.pki import NOW, Holder, Plan, key, name

TODAY = (time.time() - NOW) / 86_400
VALID = (int(TODAY) - 10, int(TODAY) + 10)
ROOT = Plan(name("Vendor Root"), key("P-256", 60), ca=True, days=VALID).issue(None)
WORKS = Plan(name("Vendor Works"), key("P-256", 61), ca=True, days=VALID).issue(ROOT)
STRANGER = Plan(name("Stranger"), key("P-256", 62), ca=True, days=VALID).issue(None)
DEVICE = Plan(name("device"), key("P-256", 63), days=VALID).issue(WORKS)
CURRENT = CRLPlan(days=(TODAY - 1, TODAY + 6))
STALE = CRLPlan(days=(TODAY - 9, TODAY - 2))


def pem(*holders: Holder) -> str:
    return "".join(one.certificate.public_bytes(Encoding.PEM).decode() for one in holders)


def trust(*holders: Holder) -> str:
    """Certificates as a setting has them."""
    return json.dumps([pem(*holders)])


@pytest.fixture
def trusting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    """An operator whose policy trusts the vendor."""
    operator = Operator(tmp_path, capsys)
    assert operator("init").status == 0
    words = ("--ca", "issuing", "--template", "device", "--set", f"trust_anchors={trust(ROOT)}")
    assert operator("policy", "add", "vendors", *words).status == 0
    return operator


def file(operator: Operator, name: str, *octets: bytes) -> str:
    (operator.folder / name).write_bytes(b"".join(octets))
    return str(operator.folder / name)


def crl(plan: CRLPlan, issuer: Holder, encoding: Encoding = Encoding.PEM) -> bytes:
    return plan.issue(issuer).public_bytes(encoding)


def test_crls_come_in_by_several_files_and_several_in_a_file(trusting: Operator) -> None:
    renewed = Plan(name("Vendor Works"), key("P-256", 64), ca=True, days=VALID).issue(ROOT)
    files = [
        file(trusting, "root.crl", crl(replace(CURRENT, number=41), ROOT, Encoding.DER)),
        file(trusting, "works.pem", crl(CURRENT, WORKS), crl(replace(CURRENT, number=None), renewed)),
    ]
    issuers = file(trusting, "issuers.pem", pem(WORKS, renewed).encode())
    done = trusting("crl", "import", "--issuer", issuers, *files)
    assert done.status == 0, done.err
    assert "CRL 41 of CN=Vendor Root,O=Example, until " in done.out
    again = trusting("crl", "import", "--issuer", issuers, *files)
    assert again.out.count(": it was there") == 3
    listed = trusting("crl", "list", "--json").json
    root, works = "CN=Vendor Root,O=Example", "CN=Vendor Works,O=Example"
    assert {(one["issuer"], one["number"]) for one in listed} == {(root, 41), (works, 1), (works, None)}
    assert "IMPORTED, OF" in trusting("crl", "list").out


def test_what_is_refused_is_named_and_the_others_come_in(trusting: Operator) -> None:
    good = file(trusting, "good.crl", crl(CURRENT, ROOT))
    bad = {
        "strange.crl": ("--issuer FILE", crl(CURRENT, STRANGER)),
        "none.crl": ("no CRL", b"<html>404</html>"),
        "huge.crl": ("longer than 16 MiB", bytes(LARGEST + 1)),
    }
    files = [file(trusting, called, octets) for called, (_, octets) in bad.items()]
    done = trusting("crl", "import", *files, good, str(trusting.folder / "absent.crl"))
    assert done.status == 65
    lines = done.err.splitlines()
    for line, (called, told) in zip(
        lines,
        [*((called, told) for called, (told, _) in bad.items()), ("absent.crl", "No such file")],
        strict=True,
    ):
        assert line.startswith(f"cmpd: {trusting.folder / called}: ")
        assert told in line
    assert len(trusting("crl", "list", "--json").json) == 1


def test_an_older_crl_is_refused_with_the_remedy_which_works(trusting: Operator) -> None:
    new = file(trusting, "new.crl", crl(replace(CURRENT, number=7), ROOT))
    old = file(trusting, "old.crl", crl(replace(CURRENT, number=6), ROOT))
    assert trusting("crl", "import", new).status == 0
    complaint = trusting("crl", "import", old).complaint
    assert "has the number 6, but number 7 is there; `cmpd crl remove " in complaint
    (listed,) = trusting("crl", "list", "--json").json
    assert f"`cmpd crl remove {listed['id']}`" in complaint
    assert trusting("crl", "remove", listed["id"]).status == 0
    assert trusting("crl", "remove", listed["id"]).complaint.endswith("there are: none")
    assert trusting("crl", "import", old).status == 0
    (listed,) = trusting("crl", "list", "--json").json
    assert listed["number"] == 6
    assert [one.event.action for one in trusting.audit()][-3:] == ["crl.import", "crl.remove", "crl.import"]


def test_an_issuer_that_no_policy_trusts_is_refused_by_its_file(trusting: Operator) -> None:
    issuer = file(trusting, "stranger.pem", pem(STRANGER).encode())
    complaint = trusting(
        "crl", "import", "--issuer", issuer, file(trusting, "a.crl", crl(CURRENT, STRANGER))
    ).complaint
    assert complaint.startswith(f"cmpd: {issuer}: the issuer is not trusted by any policy")


def test_a_crl_out_of_date_is_taken_with_a_warning(trusting: Operator) -> None:
    done = trusting("crl", "import", file(trusting, "stale.crl", crl(STALE, ROOT)))
    assert done.status == 0
    assert "out of date" in done.err


def test_revocation_is_given_or_required_and_nothing_else(trusting: Operator) -> None:
    assert trusting("policy", "set", "vendors", "revocation=required").status == 0
    assert "given, required" in trusting("policy", "set", "vendors", "revocation=fetched").complaint


def test_check_and_status_tell_of_crls_that_lack_or_are_out_of_date(trusting: Operator) -> None:
    settings = ("revocation=required", f"ra_certificates={trust(STRANGER, DEVICE)}")
    assert trusting("policy", "set", "vendors", *settings).status == 0

    def warnings() -> list[str]:
        found: list[str] = trusting("check", "--json").json["warnings"]
        return [one for one in found if "CRL" in one]

    lacking = [
        f"policy vendors: revocation is required, and no CRL in date of CN={who},O=Example was imported: "
        "what that issued is refused"
        for who in ("Vendor Root", "Stranger")
    ]
    assert warnings() == lacking
    trusting("crl", "import", file(trusting, "stale.crl", crl(STALE, ROOT)))
    assert warnings()[1:] == lacking
    assert "CN=Vendor Root,O=Example was to be renewed by" in warnings()[0]
    screen = trusting("status").out
    assert "CRL of    CN=Vendor Root,O=Example, imported, until" in screen
    assert "OUT OF DATE" in screen
    later = revoking(DEVICE, number=2, days=(TODAY - 1, TODAY + 6))
    trusting("crl", "import", file(trusting, "later.crl", crl(later, ROOT), crl(CURRENT, STRANGER)))
    assert warnings() == []
    assert "OUT OF DATE" not in trusting("status").out
