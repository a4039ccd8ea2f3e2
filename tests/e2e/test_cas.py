"""The ways to make a CA, each as an operator goes it, and each ending with a device that enrols."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from cryptography import x509

from tests.e2e.harness import Daemon, Device, Run, run

CA_EXTENSIONS = """\
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""

AS_BERT = """
import sys
import cmpd.cli.common

cmpd.cli.common.actor = lambda: "operator:bert"
from cmpd.cli import main

sys.exit(main(sys.argv[1:]))
"""
"""A command by another operator: who that is comes from the kernel, which tests cannot talk over."""


def cmpd(daemon: Daemon, *words: str | Path) -> str:
    """A cmpd command that has to work; gives what it prints."""
    done = daemon.cmpd(*words)
    assert done.status == 0, done.output
    return done.stdout


def openssl(daemon: Daemon, *words: str | Path) -> None:
    done = run(["openssl", *words], daemon.folder)
    assert done.status == 0, done.output


def somebody_elses_root(daemon: Daemon) -> None:
    """other.pem and other.key, made by openssl."""
    openssl(
        daemon,
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.pem"),
        *("-subj", "/CN=Other Root", "-days", "3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )


def made_here(daemon: Daemon) -> None:
    cmpd(daemon, "ca", "create", "top", "--subject", "CN=Top,O=Plant", "--key", "P-384", "--validity", "20y")
    cmpd(daemon, "ca", "create", "plant", "--subject", "CN=Plant,O=Plant", "--under", "top")


def made_here_as_a_root_with_rsa(daemon: Daemon) -> None:
    cmpd(daemon, "ca", "create", "plant", "--subject", "CN=Plant,O=Plant", "--key", "RSA-2048")


def imported_from_pem(daemon: Daemon) -> None:
    somebody_elses_root(daemon)
    cmpd(daemon, "ca", "import", "plant", "--certificates", "other.pem", "--key", "other.key")


def imported_from_pkcs12(daemon: Daemon) -> None:
    somebody_elses_root(daemon)
    (daemon.folder / "passphrase").write_text("sesame\n", "utf-8")
    openssl(
        daemon,
        *("pkcs12", "-export", "-in", "other.pem", "-inkey", "other.key", "-out", "other.p12"),
        *("-passout", "file:passphrase"),
    )
    cmpd(daemon, "ca", "import", "plant", "--pkcs12", "other.p12", "--password-file", "passphrase")


def certified_elsewhere(daemon: Daemon) -> None:
    somebody_elses_root(daemon)
    cmpd(daemon, "ca", "request", "plant", "--subject", "CN=Plant,O=Plant", "--out", "plant.csr")
    (daemon.folder / "ca.ext").write_text(CA_EXTENSIONS, "utf-8")
    openssl(
        daemon,
        *("x509", "-req", "-in", "plant.csr", "-CA", "other.pem", "-CAkey", "other.key", "-CAcreateserial"),
        *("-days", "1825", "-extfile", "ca.ext", "-out", "plant.pem"),
    )
    bundle = (daemon.folder / "other.pem").read_text("utf-8") + (daemon.folder / "plant.pem").read_text(
        "utf-8"
    )
    (daemon.folder / "bundle.pem").write_text(bundle, "utf-8")
    cmpd(daemon, "ca", "install", "plant", "bundle.pem")


WAYS: list[Callable[[Daemon], None]] = [
    made_here,
    made_here_as_a_root_with_rsa,
    imported_from_pem,
    imported_from_pkcs12,
    certified_elsewhere,
]


@pytest.fixture
def openssl_enrols(own_daemon: Daemon, tmp_path: Path) -> Callable[[], Device]:
    """Give a policy of the CA ``plant`` to a new entity, and let that enrol with `openssl cmp`."""

    def enrol() -> Device:
        policy = cmpd(own_daemon, "policy", "add", "plant", "--ca", "plant", "--template", "device").strip()
        entity = own_daemon.json("entity", "add", "pump", "--policy", "plant")
        device = Device(tmp_path, own_daemon)
        device.key()
        secret = ("-ref", entity["id"], "-secret", f"pass:{entity['new_password']}")
        done = device.request("ir", *secret, path=f"cmp/{policy}")
        assert done.status == 0, done.output
        (tmp_path / "chain.pem").write_text(cmpd(own_daemon, "ca", "show", "plant"), "utf-8")
        return device

    return enrol


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_a_device_gets_a_certificate_of_a_ca(
    own_daemon: Daemon, openssl_enrols: Callable[[], Device], way: Callable[[Daemon], None]
) -> None:
    way(own_daemon)
    device = openssl_enrols()
    assert "cert.pem: OK" in device.openssl("verify", "-CAfile", "chain.pem", "cert.pem")


def test_after_a_rollover_the_old_certificates_verify_and_the_new_key_issues(
    own_daemon: Daemon, openssl_enrols: Callable[[], Device], tmp_path: Path
) -> None:
    made_here(own_daemon)
    device = openssl_enrols()
    (tmp_path / "cert.pem").rename(tmp_path / "old.pem")
    cmpd(own_daemon, "ca", "rollover", "plant")
    entity = own_daemon.json("entity", "add", "valve", "--policy", "plant")
    secret = ("-ref", entity["id"], "-secret", f"pass:{entity['new_password']}")
    done = device.request("ir", *secret, path=".well-known/cmp/p/plant")
    assert done.status == 0, done.output
    (tmp_path / "new-chain.pem").write_text(cmpd(own_daemon, "ca", "show", "plant"), "utf-8")
    assert "cert.pem: OK" in device.openssl("verify", "-CAfile", "new-chain.pem", "cert.pem")
    assert "old.pem: OK" in device.openssl("verify", "-CAfile", "chain.pem", "old.pem")
    devices = own_daemon.json("cert", "list", "--subject", "MTG")
    assert [one["ca"] for one in devices] == ["plant-1", "plant-2"]
    names = {one["name"]: one["state"] for one in own_daemon.json("ca", "list")}
    assert (names["plant"], names["plant-1"]) == ("issuing", "rolled over")


def test_a_revoked_certificate_is_on_the_crl_that_its_own_url_serves(
    own_daemon: Daemon, openssl_enrols: Callable[[], Device], tmp_path: Path
) -> None:
    made_here(own_daemon)
    device = openssl_enrols()
    (serial,) = (
        one["serial"] for one in own_daemon.json("cert", "list", "--subject", "MTG") if one["ca"] == "plant-1"
    )
    assert "keyCompromise, and CRL" in cmpd(own_daemon, "cert", "revoke", serial, "--reason", "keyCompromise")
    done = own_daemon.cmpd("cert", "revoke", serial)
    assert done.status == 65
    assert "revoked already" in done
    cmpd(own_daemon, "crl", "show", "plant", "--out", tmp_path / "plant.crl")
    (tmp_path / "both.pem").write_text(
        (tmp_path / "chain.pem").read_text("utf-8") + (tmp_path / "plant.crl").read_text("utf-8"), "utf-8"
    )
    done = run(
        ["openssl", "verify", "-crl_check", "-extended_crl", "-CAfile", "both.pem", "cert.pem"], tmp_path
    )
    assert "certificate revoked" in done
    assert device.folder == tmp_path


def test_a_client_that_polls_gets_its_certificate_when_two_operators_approved(
    stopped: Daemon, tmp_path: Path
) -> None:
    stopped.environment["CMPD_CMP_CHECK_AFTER"] = "1"
    cmpd(stopped, "policy", "set", "default", "approvals=2")
    stopped.start()
    device = Device(tmp_path, stopped)
    device.key()
    with ThreadPoolExecutor() as pool:
        enrolment = pool.submit(device.enrol, "ir", "-total_timeout", "25")
        (waiting,) = _patiently(lambda: stopped.json("cert", "list", "--pending"))
        assert waiting["subject"] == "C=DE,O=MTG,CN=User"
        assert "1 more must approve" in cmpd(stopped, "cert", "approve", waiting["request"][:8])
        done = stopped.cmpd("cert", "approve", waiting["request"])
        assert "another operator must" in done
        approval = ["-c", str(stopped.config), "cert", "approve", waiting["request"]]
        subprocess.run([sys.executable, "-c", AS_BERT, *approval], check=True, capture_output=True)
        done = enrolment.result()
    assert done.status == 0, done.output
    assert (tmp_path / "cert.pem").exists()
    assert stopped.json("cert", "list", "--pending") == []
    approved = [one["actor"] for one in stopped.json("audit", "list", "--action", "request.approve")]
    assert len(set(approved)) == 2
    assert "whole" in cmpd(stopped, "audit", "verify")
    assert stopped.stop() == 0


def test_a_client_is_told_why_an_operator_refused(stopped: Daemon, tmp_path: Path) -> None:
    stopped.environment["CMPD_CMP_CHECK_AFTER"] = "1"
    cmpd(stopped, "policy", "set", "default", "approvals=1")
    stopped.start()
    device = Device(tmp_path, stopped)
    device.key()
    with ThreadPoolExecutor() as pool:
        enrolment = pool.submit(device.enrol, "ir", "-total_timeout", "25")
        (waiting,) = _patiently(lambda: stopped.json("cert", "list", "--pending"))
        cmpd(stopped, "cert", "reject", waiting["request"], "--reason", "not ordered")
        done = enrolment.result()
    assert done.status != 0
    assert "not ordered" in done
    assert stopped.stop() == 0


def _patiently(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("nothing came")


def test_a_device_s_revocation_is_on_the_one_crl_that_its_certificate_names(
    own_daemon: Daemon, tmp_path: Path
) -> None:
    cmpd(own_daemon, "ca", "rollover", "issuing", "--crl-partitions", "8")
    (tmp_path / "cas.pem").write_text(cmpd(own_daemon, "ca", "show", "issuing"), "utf-8")
    device = Device(tmp_path, own_daemon)
    assert device.enrol().status == 0
    (point,) = device.certificate().extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    path = urlsplit((point.full_name or [])[0].value).path
    assert path.startswith("/crl/issuing-2/")

    def verified() -> Run:
        with urlopen(f"http://{own_daemon.address}{path}") as response:
            (tmp_path / "crl.der").write_bytes(response.read())
        check = ("-crl_check", "-extended_crl", "-CAfile", "cas.pem", "-CRLfile", "crl.der")
        return run(["openssl", "verify", *check, "cert.pem"], tmp_path)

    assert "cert.pem: OK" in verified()
    revoked = device.signed("rr", "-oldcert", "cert.pem", "-revreason", "1")
    assert revoked.status == 0, revoked.output
    assert "certificate revoked" in verified()
    numbers = {
        one["partition"]: one["number"] for one in own_daemon.json("crl", "list") if one["ca"] == "issuing"
    }
    own = int(path.removeprefix("/crl/issuing-2/").removesuffix(".crl"))
    assert numbers.pop(own) == 2
    assert set(numbers.values()) <= {1}
