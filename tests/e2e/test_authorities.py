"""Every kind of CA: made here, imported, certified elsewhere; and answers signed in every algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import DEMO_ENTITY, Daemon, Device, Run, cmp_trace, openssl_version, run

# Key of the CA and of its CMP signer, and a key for the device that suits `openssl cmp`.
AUTHORITIES = {
    "RSA-2048": "RSA:2048",
    "RSA-3072": "RSA:2048",
    "RSA-4096": "RSA:2048",
    "P-256": "EC:P-256",
    "P-384": "EC:P-384",
    "P-521": "EC:P-521",
    "Ed25519": "EC:P-256",
    "Ed448": "EC:P-256",
}


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon to which CAs are added while it serves."""
    daemon = Daemon(tmp_path_factory.mktemp("factory"))
    daemon.init()
    daemon.start()
    yield daemon
    assert daemon.stop() == 0


def _policy(daemon: Daemon, ca: str) -> str:
    """A policy for the CA, that the demo entity may use; gives its UUID."""
    policy: str = daemon.json("policy", "add", f"by-{ca}", "--ca", ca, "--template", "device")["id"]
    return policy


def _entity(daemon: Daemon, policy: str) -> list[str]:
    """A new entity under the policy: the options of `openssl cmp` by which it authenticates."""
    entity = daemon.json("entity", "add", f"under-{policy[:8]}", "--policy", policy)
    assert entity["id"] != DEMO_ENTITY
    return ["-ref", entity["id"], "-secret", f"pass:{entity['new_password']}"]


def _trust(device: Device, ca: str) -> Path:
    """ca.pem of the device: the CA's certificate and those above it, as `cmpd ca show` prints them."""
    done = device.daemon.cmpd("ca", "show", ca)
    assert done.status == 0, done.output
    path = device.folder / "trust.pem"
    path.write_text(done.stdout, "utf-8")
    return path


def _life(device: Device, ca: str, kind: str = "EC:P-256", *confirmed: str) -> Run:
    """Enrol by password, then update by signature; gives the update, its answers verified by OpenSSL.
    `confirmed`: how the certificates are, explicitly where nothing is said."""
    policy = _policy(device.daemon, ca)
    trust = _trust(device, ca)
    device.key(kind)
    done = device.request("ir", *_entity(device.daemon, policy), *confirmed, path=f"cmp/{policy}")
    assert done.status == 0, done.output
    verified = run(["openssl", "verify", "-CAfile", trust, "cert.pem"], device.folder)
    assert verified.status == 0, verified.output
    device.key(kind, "new-key.pem")
    words = ["-cert", "cert.pem", "-key", "key.pem", "-newkey", "new-key.pem", "-certout", "new.pem"]
    return device.cmp("kur", *words, "-trusted", trust, *confirmed, path=f"cmp/{policy}", secret=False)


@pytest.mark.parametrize("algorithm", AUTHORITIES)
def test_a_ca_of_each_key_issues_and_signs_its_answers(
    factory: Daemon, tmp_path: Path, algorithm: str
) -> None:
    ca = f"made-{algorithm.lower()}"
    made = factory.cmpd("ca", "create", ca, "--subject", f"CN={ca}", "--key", algorithm)
    assert made.status == 0, made.output
    # OpenSSL 3.5 and later cannot hash a certificate that Ed448 signed, as certConf has it ("error creating
    # certconf"): they no longer know how long SHAKE256 is to be.
    silent = algorithm == "Ed448" and openssl_version() >= (3, 5)
    confirmed = ["-implicit_confirm"] if silent else []
    done = _life(Device(tmp_path, factory), ca, AUTHORITIES[algorithm], *confirmed)
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["KUR", "KUP"] + ([] if silent else ["CERTCONF", "PKICONF"])


def test_a_ca_under_another_one(factory: Daemon, tmp_path: Path) -> None:
    for words in (["upper", "--subject", "CN=Upper"], ["lower", "--subject", "CN=Lower", "--under", "upper"]):
        made = factory.cmpd("ca", "create", *words)
        assert made.status == 0, made.output
    done = _life(Device(tmp_path, factory), "lower")
    assert done.status == 0, done.output


def _root(device: Device) -> None:
    """A root CA of OpenSSL's making: root.pem, root-key.pem."""
    device.key(name="root-key.pem")
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-days", "3650"]
    device.openssl(
        "req", "-x509", "-key", "root-key.pem", "-subj", "/CN=Elsewhere", *usage, "-out", "root.pem"
    )


@pytest.mark.parametrize("form", ["PEM", "PKCS #12"])
def test_a_ca_that_was_made_elsewhere_is_imported(factory: Daemon, tmp_path: Path, form: str) -> None:
    device = Device(tmp_path, factory)
    _root(device)
    ca = f"imported-{form[:3].lower()}"
    given: list[str | Path]
    if form == "PKCS #12":
        words = ["-inkey", "root-key.pem", "-in", "root.pem", "-passout", "pass:p12", "-out", "root.p12"]
        device.openssl("pkcs12", "-export", *words)
        (tmp_path / "password").write_text("p12\n", "utf-8")
        given = ["--pkcs12", tmp_path / "root.p12", "--password-file", tmp_path / "password"]
    else:
        given = ["--certificates", tmp_path / "root.pem", "--key", tmp_path / "root-key.pem"]
    imported = factory.cmpd("ca", "import", ca, *given)
    assert imported.status == 0, imported.output
    done = _life(device, ca)
    assert done.status == 0, done.output


def test_a_ca_that_another_ca_certifies(factory: Daemon, tmp_path: Path) -> None:
    device = Device(tmp_path, factory)
    _root(device)
    request = factory.cmpd(
        "ca", "request", "certified", "--subject", "CN=Certified", "--out", tmp_path / "ca.csr"
    )
    assert request.status == 0, request.output
    (tmp_path / "ca.cnf").write_text(
        "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    issuer = ["-CA", "root.pem", "-CAkey", "root-key.pem", "-CAcreateserial", "-days", "3000"]
    device.openssl("x509", "-req", "-in", "ca.csr", *issuer, "-extfile", "ca.cnf", "-out", "ca.pem")
    (tmp_path / "chain.pem").write_bytes(
        (tmp_path / "ca.pem").read_bytes() + (tmp_path / "root.pem").read_bytes()
    )
    installed = factory.cmpd("ca", "install", "certified", tmp_path / "chain.pem")
    assert installed.status == 0, installed.output
    done = _life(device, "certified")
    assert done.status == 0, done.output
