"""Enrolment, update and revocation by a Java client on Bouncy Castle, under shared secrets and signatures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Daemon, Run, have, run

SOURCES = sorted((Path(__file__).parent / "bouncycastle").glob("*.java"))
LIBRARIES = [Path("/usr/share/java") / name for name in ("bcprov.jar", "bcutil.jar", "bcpkix.jar")]

pytestmark = pytest.mark.skipif(
    not have("javac") or not all(library.exists() for library in LIBRARIES),
    reason="needs Debian's default-jdk-headless and libbcpkix-java",
)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path with the compiled client."""
    folder = tmp_path_factory.mktemp("classes")
    path = ":".join(map(str, [folder, *LIBRARIES]))
    done = run(["javac", "-Xlint:all,-path", "-Werror", "-d", folder, "-cp", path, *SOURCES], folder)
    assert done.status == 0, done.output
    return path


@dataclass(frozen=True)
class JavaClient:
    classes: str
    daemon: Daemon
    folder: Path

    def cmp(self, command: str, protection: str, **options: str) -> Run:
        """One transaction; see the source for the options."""
        settings = {
            "protection": protection,
            "ref": DEMO_ENTITY,
            "secret": DEMO_PASSWORD,
            "subject": "CN=Java,O=MTG,C=DE",
            "trust": str(self.daemon.folder / "ca.pem"),
            **options,
        }
        words = [f"{key}={value}" for key, value in settings.items()]
        url = f"http://{self.daemon.address}/cmp"
        return run(["java", "-cp", self.classes, "CmpClient", command, url, self.folder, *words], self.folder)

    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate((self.folder / "cert.der").read_bytes())


@pytest.fixture
def client(classes: str, daemon: Daemon, tmp_path: Path) -> JavaClient:
    return JavaClient(classes, daemon, tmp_path)


@pytest.mark.parametrize("confirm", ["explicit", "implicit"])
@pytest.mark.parametrize("pvno", ["2", "3"])
@pytest.mark.parametrize("protection", ["pbm", "pbmac1"])
def test_ir_under_a_shared_secret(client: JavaClient, protection: str, pvno: str, confirm: str) -> None:
    done = client.cmp("ir", protection, pvno=pvno, confirm=confirm)
    assert done.status == 0, done.output
    expected = ["sending ir", "received ip", "status 0"]
    expected += ["sending certConf", "received pkiconf"] if confirm == "explicit" else []
    assert done.stdout.splitlines() == expected
    assert client.daemon.standing(client.certificate()) == "active"


def test_kur_and_rr_under_signatures(client: JavaClient) -> None:
    assert client.cmp("ir", "pbm").status == 0
    first = client.certificate()
    done = client.cmp("kur", "signature")
    assert done.status == 0, done.output
    second = client.certificate()
    assert second.subject == first.subject
    assert second.public_key() != first.public_key()
    done = client.cmp("rr", "signature")
    assert done.status == 0, done.output
    assert client.daemon.standing(second) == "revoked"
    done = client.cmp("kur", "signature")
    assert done.status == 1
    assert "received error" in done


def test_rr_under_a_shared_secret(client: JavaClient) -> None:
    assert client.cmp("ir", "pbm").status == 0
    done = client.cmp("rr", "pbm")
    assert done.status == 0, done.output
    assert client.daemon.standing(client.certificate()) == "revoked"


KEY_AGREEMENT = "8"


@pytest.fixture
def receiver(classes: str, lenient_daemon: Daemon, tmp_path: Path) -> JavaClient:
    return JavaClient(classes, lenient_daemon, tmp_path)


def public_key(client: JavaClient) -> PublicKeyTypes:
    return load_der_private_key((client.folder / "key.der").read_bytes(), None).public_key()


@pytest.mark.parametrize("protection", ["pbm", "pbmac1"])
def test_a_key_made_by_the_server_comes_for_the_shared_secret(receiver: JavaClient, protection: str) -> None:
    done = receiver.cmp("ir", protection, key="central", pvno="3")
    assert done.status == 0, done.output
    assert public_key(receiver) == receiver.certificate().public_key()
    assert receiver.daemon.standing(receiver.certificate()) == "active"


def test_a_key_made_by_the_server_comes_for_the_protection_certificate(receiver: JavaClient) -> None:
    assert receiver.cmp("ir", "pbm", usage=KEY_AGREEMENT).status == 0
    first = receiver.certificate()
    done = receiver.cmp("kur", "signature", key="central", pvno="3")
    assert done.status == 0, done.output
    assert receiver.certificate().public_key() != first.public_key()
    assert public_key(receiver) == receiver.certificate().public_key()
    assert receiver.daemon.standing(receiver.certificate()) == "active"


def test_under_pvno_2_bouncy_castle_opens_the_key_by_itself(receiver: JavaClient) -> None:
    """PWRI-KEK, and a key alone: no more is asked of the library than it has."""
    done = receiver.cmp("ir", "pbm", key="central", pvno="2")
    assert done.status == 0, done.output
    assert public_key(receiver) == receiver.certificate().public_key()


@pytest.mark.parametrize(("key", "pvno"), [("RSA", "2"), ("RSA", "3"), ("EC", "3")])
def test_an_encrypted_certificate_is_decrypted_and_confirmed(
    receiver: JavaClient, key: str, pvno: str
) -> None:
    done = receiver.cmp("ir", "pbm", key=key, pvno=pvno, popo="encrCert")
    assert done.status == 0, done.output
    assert done.stdout.splitlines() == [
        "sending ir",
        "received ip",
        "status 0",
        "sending certConf",
        "received pkiconf",
    ]
    usage = receiver.certificate().extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_encipherment if key == "RSA" else usage.key_agreement
    assert receiver.daemon.standing(receiver.certificate()) == "active"
