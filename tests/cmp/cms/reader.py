"""The recipient's side of CMS, for tests: OpenSSL where it can, `cryptography` where OpenSSL cannot."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from cmpd.cmp.cms.enveloped import SIGNED_DATA
from cmpd.cmp.wire import schema
from tests.cmp.protection.openssl import write_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clm.pki import Holder

ENVELOPED_DATA = "1.2.840.113549.1.7.3"


def content_info(content_type: str, content: bytes) -> bytes:
    return schema.encode("RawContentInfo", {"contentType": content_type, "content": content})


def enveloped(encrypted_key: bytes) -> dict[str, Any]:
    """The EnvelopedData in an EncryptedKey."""
    choice, value = schema.decode("RawEncryptedKey", encrypted_key)
    assert choice == "envelopedData"
    decoded: dict[str, Any] = value
    return decoded


def openssl_decrypt(folder: Path, value: dict[str, Any], key: Any) -> bytes:
    """What `openssl cms` finds in an EnvelopedData with a private key."""
    words = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(_written(folder, value))]
    words += ["-inkey", str(write_key(folder / "recipient.key", key))]
    return _run(words)


def _written(folder: Path, value: dict[str, Any]) -> Path:
    path = folder / "enveloped.der"
    path.write_bytes(content_info(ENVELOPED_DATA, schema.encode("RawEnvelopedData", value)))
    return path


def openssl_verify(folder: Path, signed: bytes, anchor: Holder) -> bytes:
    """The content of a SignedData whose signature and path `openssl cms` has verified."""
    path, root = folder / "signed.der", folder / "root.pem"
    path.write_bytes(content_info(SIGNED_DATA, signed))
    root.write_bytes(anchor.certificate.public_bytes(Encoding.PEM))
    words = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(path), "-purpose", "any"]
    return _run([*words, "-CAfile", str(root), "-no_check_time"])


def _run(words: list[str]) -> bytes:
    run = subprocess.run(words, capture_output=True, timeout=30, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


def password_decrypt(value: dict[str, Any], secret: bytes) -> bytes:
    """What a shared secret opens."""
    [(choice, info)] = value["recipientInfos"]
    assert choice == "pwri"
    derivation = schema.decode("PBKDF2-params", info["keyDerivationAlgorithm"]["parameters"])
    wrapping_key = hashlib.pbkdf2_hmac(
        "sha256", secret, derivation["salt"][1], derivation["iterationCount"], derivation["keyLength"]
    )
    content_key = aes_key_unwrap(wrapping_key, info["encryptedKey"])
    inside = value["encryptedContentInfo"]
    cipher = schema.decode("AlgorithmIdentifier", inside["contentEncryptionAlgorithm"])
    return aes_decrypt(content_key, cipher["parameters"], inside["encryptedContent"])


def openssl_password_decrypt(folder: Path, value: dict[str, Any], secret: bytes) -> bytes:
    """What a shared secret opens for `openssl cms`, which knows PWRI-KEK alone."""
    words = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(_written(folder, value))]
    return _run([*words, "-pwri_password", secret.decode()])


def aes_decrypt(key: bytes, parameters: bytes, content: bytes) -> bytes:
    iv = schema.decode("InitializationVector", parameters)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(content) + decryptor.finalize()) + unpadder.finalize()


def read_package(package: bytes) -> Any:
    """The private key in a package, through another parser."""
    [one] = schema.decode("RawAsymmetricKeyPackage", package)
    assert one["version"] == 1
    del one["publicKey"]
    return load_der_private_key(schema.encode("RawOneAsymmetricKey", {**one, "version": 0}), None)
