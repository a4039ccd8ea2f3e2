"""`cmpd check`: what should not stay as it is."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cmpd.cli import main

LISTENER = '[[listen]]\naddress = "127.0.0.1:1"\ntls_certificate = "tls.pem"\ntls_key = "tls-key.pem"\n'


def _certificate(folder: Path, days: int) -> None:
    """tls.pem, which ends in so many days, and its key tls-key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=400))
    certificate = builder.not_valid_after(now + datetime.timedelta(days=days, hours=1))
    (folder / "tls.pem").write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    path = folder / "tls-key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)


@pytest.mark.parametrize(
    ("days", "told"), [(5, "tls.pem expires in 5 days"), (-9, "tls.pem expired 8 days ago"), (90, None)]
)
def test_a_tls_certificate_that_ends_is_told_of(
    days: int, told: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*config, "init"]) == 0
    _certificate(tmp_path, days)
    with (tmp_path / "cmpd.conf").open("a") as file:
        file.write(LISTENER)
    capsys.readouterr()
    assert main([*config, "check"]) == 0
    out = capsys.readouterr().out
    assert "CMP over HTTPS at 127.0.0.1:1" in out
    assert ("the TLS certificate" in out) == (told is not None)
    assert told is None or told in out
