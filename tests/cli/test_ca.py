"""`cmpd ca`: keys that come in from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from tests.cli.conftest import Operator
from tests.clm import pki

CA = pki.Plan(pki.name("plant"), pki.key("P-256", 93), ca=True, days=(-3650, 36500)).issue(None)


def _files(folder: Path, mode: int, encryption: KeySerializationEncryption) -> tuple[str, ...]:
    key = folder / "plant.key"
    key.write_bytes(CA.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    key.chmod(mode)
    (folder / "plant.pem").write_bytes(CA.certificate.public_bytes(Encoding.PEM))
    (folder / "passphrase").write_text("a passphrase", "utf-8")
    return ("ca", "import", "issuing", "--certificates", str(folder / "plant.pem"), "--key", str(key))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_ca_key_that_others_could_have_read_is_not_taken_in(
    operator: Operator, tmp_path: Path, mode: int
) -> None:
    answer = operator(*_files(tmp_path, mode, NoEncryption()))
    assert f"mode {mode:04o}, open to other users" in answer.complaint
    assert "chmod 600" in answer.complaint
    assert operator("ca", "list", "--json").json == []


def test_a_private_one_is(operator: Operator, tmp_path: Path) -> None:
    assert operator(*_files(tmp_path, 0o600, NoEncryption())).status == 0


def test_an_encrypted_one_may_lie_about(operator: Operator, tmp_path: Path) -> None:
    words = _files(tmp_path, 0o644, BestAvailableEncryption(b"a passphrase"))
    assert operator(*words, "--password-file", str(tmp_path / "passphrase")).status == 0
