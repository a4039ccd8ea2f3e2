"""Enrolment, update and revocation by a Java client on Bouncy Castle, under shared secrets and signatures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Daemon, Run, have, run

SOURCE = Path(__file__).parent / "bouncycastle" / "CmpClient.java"
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
    done = run(["javac", "-Xlint:all,-path", "-Werror", "-d", folder, "-cp", path, SOURCE], folder)
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
