"""Requests as `openssl cmp` makes them, without a server to send them to."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.clm.pki import Holder

REFERENCE = "251069b7-bcc3-4911-b312-04327925a1aa"
SECRET = "GTTgcdagW:OGJ73_"


def write_key(path: Path, key: Any) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def request(folder: Path, new_key: Any, *options: str, command: str = "ir") -> bytes:
    """The first message of a transaction; nobody listens on the discard port."""
    out = folder / "request.der"
    words = ["openssl", "cmp", "-cmd", command, "-server", "127.0.0.1:9", "-reqout", str(out)]
    words += ["-newkey", str(write_key(folder / "new.pem", new_key)), "-subject", "/CN=device/O=Example"]
    words += ["-certout", str(folder / "cert.pem"), "-total_timeout", "5", *options]
    run = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if not out.exists():
        raise AssertionError(run.stderr)
    return out.read_bytes()


def with_password(folder: Path, new_key: Any, *options: str) -> bytes:
    """A request protected by PasswordBasedMac."""
    return request(folder, new_key, "-ref", REFERENCE, "-secret", f"pass:{SECRET}", *options)


def with_signature(folder: Path, new_key: Any, signer: Holder, *options: str) -> bytes:
    """A request protected by a signature."""
    certificate = folder / "signer.pem"
    certificate.write_bytes(signer.certificate.public_bytes(Encoding.PEM))
    key = write_key(folder / "signer.key", signer.key)
    trusted = ("-cert", str(certificate), "-key", str(key), "-srvcert", str(certificate))
    return request(folder, new_key, *trusted, *options)
