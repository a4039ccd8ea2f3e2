"""The operator's hand on CAs, policies, templates, API clients, certificates, CRLs and the audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.cli.conftest import Operator

ENTITY = "251069b7-bcc3-4911-b312-04327925a1aa"


def test_a_policy_is_made_changed_shown_listed_and_deleted(cmpd: Operator) -> None:
    id = cmpd("policy", "add", "pumps", "--ca", "issuing", "--template", "device").out.strip()
    assert "changed" in cmpd("policy", "set", "pumps", "excess=refuse", 'keys.algorithms=["P-256"]').out
    assert "is like that already" in cmpd("policy", "set", id, "excess=refuse").out
    assert cmpd("policy", "show", "pumps").json == {
        "id": id,
        "name": "pumps",
        "ca": "issuing",
        "template": "device",
        "excess": "refuse",
        "keys": {"algorithms": ["P-256"]},
    }
    cmpd("policy", "set", "pumps", "excess=")
    assert "excess" not in cmpd("policy", "show", "pumps").json
    assert [one["name"] for one in cmpd("policy", "list", "--json").json] == ["default", "pumps"]
    assert cmpd("policy", "delete", "pumps").status == 0
    assert len(cmpd("policy", "list", "--json").json) == 1


def test_certificates_of_a_policy_come_from_files_named_as_in_a_declaration(
    cmpd: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their names relative to the current folder, on the command line."""
    pem = (cmpd.folder / "ca.pem").read_text("ascii")
    (cmpd.folder / "elsewhere").mkdir()
    monkeypatch.chdir(cmpd.folder / "elsewhere")
    assert cmpd("policy", "set", "default", 'ra_certificates=["../ca.pem"]').status == 0
    assert cmpd("policy", "show", "default").json["ra_certificates"] == [pem]
    assert "is like that already" in cmpd("policy", "set", "default", 'ra_certificates=["../ca.pem"]').out
    made = ("policy", "add", "pumps", "--ca", "issuing", "--template", "device")
    assert cmpd(*made, "--set", 'trust_anchors=["../ca.pem"]').status == 0
    assert cmpd("policy", "show", "pumps").json["trust_anchors"] == [pem]


def test_a_template_is_made_like_a_ready_made_one(cmpd: Operator) -> None:
    assert cmpd("template", "add", "mine", "--like", "tls-server", "--set", "validity=30d").status == 0
    shown = cmpd("template", "show", "mine").json
    assert shown["validity"] == "30d"
    assert shown["extended_key_usage"] == ["serverAuth"]
    origins = {one["name"]: one["origin"] for one in cmpd("template", "list", "--json").json}
    assert (origins["mine"], origins["device"]) == ("stored", "ready-made")
    assert cmpd("template", "set", "mine", "validity=60d").status == 0
    assert cmpd("template", "delete", "mine").status == 0


def test_a_client_gets_a_secret_once_and_a_new_one_with_overlap(cmpd: Operator) -> None:
    out = cmpd("client", "add", "line-3", "--default-policy", "default").out
    secret = out.split("secret  ")[1].split()[0]
    assert cmpd("client", "rotate", "line-3", "--overlap", "1d").status == 0
    (own,) = (one for one in cmpd("client", "list", "--json").json if one["id"] == "line-3")
    assert [bool(one["expires"]) for one in own["secrets"]] == [True, False]
    assert secret not in json.dumps(own)
    assert "disabled" in cmpd("client", "disable", "line-3").out
    assert "enabled" in cmpd("client", "enable", "line-3").out
    assert cmpd("client", "set", "line-3", "--policy", "-", "--default-policy", "-").status == 0
    assert cmpd("client", "delete", "line-3").status == 0


def test_cas_crls_and_certificates_are_listed_for_people_and_programs(cmpd: Operator) -> None:
    assert {one["name"] for one in cmpd("ca", "list", "--json").json} == {"issuing", "root"}
    assert "issuing" in cmpd("ca", "list").out
    assert cmpd("ca", "show", "issuing").out.count("BEGIN CERTIFICATE") == 2
    assert "CRL 1 of CA issuing" in cmpd("crl", "make", "issuing").out
    assert cmpd("crl", "list", "--json").json[0]["number"] == 1
    assert "BEGIN X509 CRL" in cmpd("crl", "show", "issuing").out
    certificates = cmpd("cert", "list", "--json").json
    assert {one["state"] for one in certificates} == {"active"}
    serial = certificates[0]["serial"]
    assert cmpd("cert", "show", serial, "--json").json["serial"] == serial
    assert "BEGIN CERTIFICATE" in cmpd("cert", "show", serial, "--pem").out
    assert cmpd("cert", "list", "--expiring", "1d", "--json").json == []
    assert cmpd("cert", "list", "--expiring", "30y", "--limit", "1", "--json").json
    assert cmpd("cert", "list", "--count", "--json").json == [{"policy": "-", "certificates": 4}]
    assert cmpd("cert", "archive").out == "0 certificates archived\n"


def test_a_ca_may_spread_its_certificates_over_several_crls(cmpd: Operator) -> None:
    rolled = cmpd("ca", "rollover", "issuing", "--crl-partitions", "3")
    assert rolled.status == 0
    assert cmpd("crl", "make", "issuing").out.count("CRL 1 of CA issuing, partition ") == 3
    assert "CRL 2 of CA issuing, partition 1" in cmpd("crl", "make", "issuing", "--partition", "1").out
    listed = [one for one in cmpd("crl", "list", "--json").json if one["ca"] == "issuing"]
    assert [(one["partition"], one["number"]) for one in listed] == [(0, 1), (1, 2), (2, 1)]
    assert "BEGIN X509 CRL" in cmpd("crl", "show", "issuing", "--partition", "2").out
    assert "has 3 CRLs: --partition says which" in cmpd("crl", "show", "issuing").complaint
    for verb in ("show", "make"):
        assert "has CRLs 0 to 2" in cmpd("crl", verb, "issuing", "--partition", "3").complaint
    (own,) = (one for one in cmpd("ca", "list", "--json").json if one["name"] == "issuing")
    assert (own["crl_partitions"], own["crl_number"]) == (3, 1)
    (serial,) = (one["serial"] for one in cmpd("cert", "list", "--ca", "issuing-2", "--json").json)
    assert "CRL 2 says so" in cmpd("cert", "revoke", serial).out.replace("CRL 3", "CRL 2")


def test_the_number_of_crls_is_that_of_the_key(cmpd: Operator) -> None:
    created = ("ca", "create", "plant", "--subject", "CN=Plant")
    assert "crl_partitions: a whole number from 1" in cmpd(*created, "--crl-partitions", "0").complaint
    assert cmpd(*created, "--crl-partitions", "16").status == 0
    assert "crl_partitions = 16" in cmpd("export").out
    file = cmpd.folder / "declared.toml"
    file.write_text(cmpd("export").out, "utf-8")
    assert cmpd("apply", str(file)).status == 0
    file.write_text("[ca.plant]\ncrl_partitions = 8\n", "utf-8")
    complaint = cmpd("apply", str(file)).complaint
    assert "line 2: ca plant: crl_partitions: plant has 16 for good" in complaint
    assert "cmpd ca rollover plant --crl-partitions N" in complaint


def test_a_ca_that_moves_gets_crls_that_name_its_new_url_and_the_old_one(cmpd: Operator) -> None:
    cmpd("crl", "make", "issuing")
    file = cmpd.folder / "declared.toml"
    file.write_text('[ca.issuing]\nurl = "http://balancer.example"\n', "utf-8")
    assert "~ ca issuing: former_urls" in cmpd("apply", str(file)).out
    shown = cmpd("crl", "show", "issuing").out.encode()
    point = x509.load_pem_x509_crl(shown).extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    new, old = (name.value for name in point.value.full_name or [])
    assert new == "http://balancer.example/crl/issuing-1.crl"
    assert old.endswith("/crl/issuing-1.crl")
    assert "nothing to change" in cmpd("apply", str(file)).out


def test_a_certificate_is_held_released_and_revoked(cmpd: Operator) -> None:
    serial = cmpd("cert", "list", "--ca", "issuing", "--json").json[0]["serial"]
    for reason, state in (
        ("certificateHold", "on_hold"),
        ("removeFromCRL", "active"),
        ("superseded", "revoked"),
    ):
        assert cmpd("cert", "revoke", serial, "--reason", reason).status == 0
        assert cmpd("cert", "show", serial, "--json").json["state"] == state
    assert "revoked already" in cmpd("cert", "revoke", serial).complaint
    assert cmpd("crl", "list", "--json").json[0]["number"] == 3


def test_a_signer_is_renewed_and_a_ca_rolled_over(cmpd: Operator) -> None:
    before = cmpd("ca", "list", "--json").json
    assert "new CMP signer" in cmpd("ca", "signer", "issuing").out
    assert "the old one is CA root-1" in cmpd("ca", "rollover", "root", "--key", "P-384").out
    after = {one["name"]: one["state"] for one in cmpd("ca", "list", "--json").json}
    assert len(after) == len(before) + 1
    assert after["root-1"] == "rolled over"


def test_the_audit_is_listed_filtered_exported_and_verified(cmpd: Operator) -> None:
    cmpd("policy", "set", "default", "excess=refuse")
    listed = cmpd("audit", "list", "--json").json
    assert [one["sequence"] for one in listed] == list(range(1, len(listed) + 1))
    (change,) = cmpd("audit", "list", "--action", "policy", "--json").json
    assert change["action"] == "policy.change"
    assert change["actor"].startswith("operator:")
    lines = cmpd("audit", "list", "--lines", "--since", "1h").out.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [one["sequence"] for one in listed]
    assert cmpd("audit", "list", "--subject", "nothing", "--json").json == []
    assert "whole" in cmpd("audit", "verify").out
    assert cmpd("audit", "verify", "--json").json["whole"] is True


def test_what_is_exported_applies_without_a_change(cmpd: Operator, tmp_path: Path) -> None:
    file = tmp_path / "pki.toml"
    file.write_text(cmpd("export").out, "utf-8")
    assert cmpd("apply", str(file)).out == "nothing to change\n"
    file.write_text(file.read_text("utf-8") + "\n[template.x]\n", "utf-8")
    assert cmpd("apply", "--dry-run", str(file)).out == "+ template x\n1 to change; nothing was changed\n"
    assert cmpd("apply", str(file)).out == "+ template x\n1 changed\n"


def test_entities_are_imported_and_exported(cmpd: Operator, tmp_path: Path) -> None:
    file = tmp_path / "entities.csv"
    file.write_text("name,policies,serial\npump,default,S1\nvalve,,S2\n", "utf-8")
    passwords = tmp_path / "passwords.csv"
    done = cmpd("entity", "import", str(file), "--policy", "default", "--passwords", str(passwords))
    assert done.out == "2 entities registered\n"
    assert passwords.stat().st_mode & 0o777 == 0o600
    assert len(passwords.read_text("utf-8").splitlines()) == 3
    again = cmpd("entity", "import", str(file), "--passwords", str(passwords))
    assert "nothing is overwritten" in again.complaint
    lines = [json.loads(line) for line in cmpd("entity", "export").out.splitlines()]
    assert {one["name"] for one in lines} == {"demo", "pump", "valve"}
    assert cmpd("entity", "export", "pump", "--format", "csv").out.count("\n") == 2


COMPLAINTS: list[tuple[list[str], int, str]] = [
    (["policy", "show", "nothing"], 65, "policy nothing: there is none of that name; there are: default"),
    (["policy", "set", "default", "excess"], 64, "'excess' is not a setting of the form KEY=VALUE"),
    (["policy", "set", "default", "exces=trim"], 65, "exces: unknown key; 'excess' is meant?"),
    (["policy", "set", "default", "ca.name=x"], 64, "ca is not a table"),
    (["policy", "add", "default", "--ca", "issuing", "--template", "device"], 65, "one of that name already"),
    (["policy", "add", "x y", "--ca", "issuing", "--template", "device"], 65, "1 to 64 letters"),
    (["policy", "add", "x", "--ca", "issuing", "--template", "device", "--id", "1"], 65, "a UUID in lower"),
    (["policy", "delete", "default"], 65, "in use by API client cmpd"),
    (["template", "set", "device", "validity=1d"], 65, "device is ready-made; make your own"),
    (["template", "show", "nothing"], 65, "no template 'nothing'"),
    (["template", "add", "x", "--set", "validity=100y"], 0, ""),
    (["ca", "create", "root", "--subject", "CN=x"], 65, "there is a CA root already"),
    (["ca", "create", "x", "--subject", "x"], 65, "--subject: 'x' is not a distinguished name"),
    (["ca", "create", "x", "--subject", "CN=x", "--key", "RSA-512"], 65, "unknown key algorithm 'RSA-512'"),
    (["ca", "create", "x", "--subject", "CN=x", "--under", "issuing"], 65, "pathLenConstraint 0"),
    (["ca", "create", "x", "--subject", "CN=x", "--validity", "soon"], 65, "--validity: a duration"),
    (["ca", "create", "x", "--subject", "CN=x", "--url", "x"], 65, "url: http://"),
    (["ca", "import", "x"], 64, "give --pkcs12, or --certificates and --key"),
    (["ca", "import", "x", "--pkcs12", "nothing.p12"], 66, "nothing.p12: No such file"),
    (["ca", "install", "root", "nothing.pem"], 66, "nothing.pem: No such file"),
    (["ca", "delete", "root"], 65, "CA root is in use by CA issuing"),
    (["cert", "show", "xyz"], 64, "not a hexadecimal serial number"),
    (["cert", "show", "1"], 65, "there is no certificate 1"),
    (["cert", "list", "--state", "gone"], 64, "known are unconfirmed, active"),
    (["cert", "list", "--policy", "x"], 65, "there is no policy 'x'"),
    (["cert", "approve", "ab"], 65, "no request ab waits"),
    (["cert", "reject", ""], 65, "no request  waits"),
    (["crl", "show", "root"], 65, "has no CRL yet"),
    (["client", "rotate", "x"], 65, "API client x: there is none"),
    (["client", "rotate", "cmpd", "--overlap", "long"], 65, "--overlap: a duration"),
    (["policy", "set", "default", "ra_certificates=ra.pem"], 65, "ra_certificates: a list is expected"),
    (
        ["policy", "set", "default", 'ra_certificates=["ra.pem"]'],
        65,
        "ra_certificates[0]: ra.pem cannot be read: No such file or directory",
    ),
    (
        ["policy", "set", "default", 'trust_anchors=["-----BEGIN X-----"]'],
        65,
        "trust_anchors[0]: certificates in PEM are expected; what is there is damaged",
    ),
    (
        ["policy", "set", "default", "trust_anchors=[7]"],
        65,
        "trust_anchors[0]: certificates in PEM are expected, as text; the name of a file",
    ),
    (["apply", "nothing.toml"], 66, "nothing.toml cannot be read: No such file or directory"),
    (["entity", "import", "nothing.csv"], 66, "nothing.csv cannot be read"),
]


@pytest.mark.parametrize(
    ("words", "status", "text"), COMPLAINTS, ids=[" ".join(words) for words, *_ in COMPLAINTS]
)
def test_a_mistake_gets_one_line_that_says_what_is_wrong(
    cmpd: Operator, words: list[str], status: int, text: str
) -> None:
    answer = cmpd(*words)
    assert answer.status == status
    if status:
        assert text in answer.complaint


def test_a_ca_that_waits_for_its_certificate_says_so(cmpd: Operator, tmp_path: Path) -> None:
    out: Any = cmpd("ca", "request", "plant", "--subject", "CN=Plant").out
    assert "BEGIN CERTIFICATE REQUEST" in out
    assert "waits for its certificate" in cmpd("crl", "make", "plant").complaint
    assert "waits for its certificate" in cmpd("ca", "show", "plant").complaint
    states = {one["name"]: one["state"] for one in cmpd("ca", "list", "--json").json}
    assert states["plant"] == "waiting"
    assert cmpd("policy", "add", "x", "--ca", "plant", "--template", "device").status == 65
    assert cmpd("ca", "delete", "plant").status == 0
