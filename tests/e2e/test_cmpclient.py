"""The tests' own client against `openssl cmp -port`: what it proves of cmpd is not what only cmpd takes."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.clm.pki import Holder, Plan, chain, key, name
from tests.cmpclient import PBM, Client, Protection, Signature, http_transport
from tests.cmpclient.message import flip_last_bit
from tests.cmpclient.requests import general_message
from tests.e2e.harness import CLIENT
from tests.support.ports import free_port

YEARS = (-4000, 4000)
"""Validity in days around `tests.clm.pki.NOW`, so that the real clock is within."""
CA_KEY_UPDATE_INFO = "1.3.6.1.5.5.7.4.5"
NEW_KEY = key("P-256", 40)


def _holders() -> tuple[Holder, ...]:
    root, signer = chain(
        Plan(name("root"), key("P-256", 41), ca=True, days=YEARS),
        Plan(name("CMP signer"), key("P-256", 42), days=YEARS),
    )
    device = Plan(name("device"), key("P-256", 43), days=YEARS).issue(root)
    new = Plan(name("device"), NEW_KEY, days=YEARS).issue(root)
    return root, signer, device, new


ROOT, SIGNER, DEVICE, NEW = _holders()


def _pem(folder: Path, label: str, holder: Holder) -> None:
    (folder / f"{label}.pem").write_bytes(holder.certificate.public_bytes(Encoding.PEM))
    secret = holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{label}.key").write_bytes(secret)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of OpenSSL's mock server, which answers every request with one certificate."""
    folder = tmp_path_factory.mktemp("mock")
    for label, holder in {"root": ROOT, "signer": SIGNER, "new": NEW}.items():
        _pem(folder, label, holder)
    port = free_port()
    words = f"openssl cmp -port {port} -srv_ref reference -srv_secret pass:secret"
    words += " -srv_cert signer.pem -srv_key signer.key -srv_trusted root.pem -rsp_cert new.pem"
    process = subprocess.Popen(
        words.split(), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}/pkix/"
    finally:
        process.terminate()
        process.wait(CLIENT)


def _wait_for(port: int) -> None:
    end = time.monotonic() + CLIENT
    while time.monotonic() < end:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("openssl cmp -port does not listen")


def _client(server: str, protection: Protection) -> Client:
    return Client(http_transport(server), protection, (ROOT.certificate,))


PROTECTIONS: dict[str, Protection] = {
    "PBM": PBM("reference", "secret"),
    "PBM with SHA-512 and HMAC-SHA1": PBM("reference", "secret", owf="sha512", mac="sha1", iterations=101),
    "ECDSA": Signature(DEVICE.certificate, DEVICE.key),
}


@pytest.fixture(params=list(PROTECTIONS.values()), ids=list(PROTECTIONS))
def client(request: pytest.FixtureRequest, server: str) -> Client:
    return _client(server, request.param)


@pytest.mark.parametrize("kind", ["ir", "cr"])
def test_openssl_takes_requests_and_confirmations(client: Client, kind: str) -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("device.example")])
    enrolment = client.enrol(kind, NEW_KEY, NEW.certificate.subject, extensions=[names])
    assert enrolment.certificate == NEW.certificate
    assert enrolment.confirmed is not None


def test_openssl_takes_pkcs10_requests(client: Client) -> None:
    assert client.enrol_pkcs10(NEW_KEY, NEW.certificate.subject).response.kind == "cp"


def test_openssl_takes_key_updates(server: str) -> None:
    client = _client(server, PROTECTIONS["ECDSA"])
    assert client.update(NEW.certificate, NEW_KEY).response.kind == "kup"


def test_openssl_takes_revocations(client: Client) -> None:
    response = client.revoke(NEW.certificate, 1)
    assert (response.kind, response.status) == ("rp", "accepted")


def test_openssl_takes_general_messages(client: Client) -> None:
    assert client.ask(CA_KEY_UPDATE_INFO).kind == "genp"


@pytest.mark.parametrize("protection", PROTECTIONS.values(), ids=PROTECTIONS.keys())
def test_openssl_refuses_what_the_client_breaks(server: str, protection: Protection) -> None:
    transaction = _client(server, protection).begin()
    request = transaction.compose(general_message(CA_KEY_UPDATE_INFO), tamper=flip_last_bit)
    assert transaction.send_as_is(request).kind == "error"
