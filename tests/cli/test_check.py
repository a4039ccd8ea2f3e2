"""`cmpd check`: what should not stay as it is."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from cmpd.cli import main
from tests.cli.conftest import Operator
from tests.support.certificates import self_signed

LISTENER = '[[listen]]\naddress = "127.0.0.1:1"\ntls_certificate = "tls.pem"\ntls_key = "tls-key.pem"\n'


@pytest.mark.parametrize(
    ("days", "told"), [(5, "tls.pem expires in 5 days"), (-9, "tls.pem expired 8 days ago"), (90, None)]
)
def test_a_tls_certificate_that_ends_is_told_of(
    days: int, told: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*config, "init"]) == 0
    self_signed(tmp_path, "tls", lasts=datetime.timedelta(days=days, hours=1))
    with (tmp_path / "cmpd.conf").open("a") as file:
        file.write(LISTENER)
    capsys.readouterr()
    assert main([*config, "check"]) == 0
    out = capsys.readouterr().out
    assert "CMP over HTTPS at 127.0.0.1:1" in out
    assert ("the TLS certificate" in out) == (told is not None)
    assert told is None or told in out


def test_a_policy_as_open_as_what_init_made_once_is_named_with_the_keys_to_set(cmpd: Operator) -> None:
    """A stored policy goes on meaning what it says; a new store begins with one that is not named."""
    assert not [line for line in warnings(cmpd) if line.startswith("policy ")]
    assert cmpd("policy", "add", "open", "--ca", "issuing", "--template", "device").status == 0
    told = [line for line in warnings(cmpd) if line.startswith("policy ")]
    assert [line.partition("; ")[2] for line in told] == [
        "set validity.longest=1y",
        "set template=tls-client or a template without them, in profiles too",
        "list those that are meant in san.kinds",
    ]
    assert "ipsecIKE, serverAuth" in told[1]
    changes = ("template=tls-client", "validity.longest=365d", 'san.kinds=["dns"]')
    assert cmpd("policy", "set", "open", *changes).status == 0
    assert not [line for line in warnings(cmpd) if line.startswith("policy ")]
    every = 'san.kinds=["other", "registered_id", "directory", "email", "uri", "ip", "dns"]'
    assert cmpd("policy", "set", "open", 'profiles=["device"]', every).status == 0
    told = [line for line in warnings(cmpd) if line.startswith("policy ")]
    assert ["template device" in told[0], "san.kinds" in told[1]] == [True, True], told


def warnings(cmpd: Operator) -> list[str]:
    found: list[str] = json.loads(cmpd("check", "--json").out)["warnings"]
    return found
