"""Certificates only the holder of their key can read (RFC 9810, section 5.2.8.3.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import padding

from cmpd.cmp.cms import encrypted_certificate
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from tests.clm.pki import Plan, key, name
from tests.cmp.cms import reader

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521"])
def test_under_version_3_openssl_opens_the_envelope(tmp_path: Path, kind: str) -> None:
    holder = Plan(name("device"), key(kind)).issue(None)
    made = encrypted_certificate.encrypt(holder.certificate, holder.der, 3, os.urandom)
    assert made[0] == 0xA0
    assert reader.openssl_decrypt(tmp_path, reader.enveloped(made), key(kind)) == holder.der


def test_under_version_2_it_is_an_encrypted_value() -> None:
    holder = Plan(name("device"), key("RSA")).issue(None)
    made = encrypted_certificate.encrypt(holder.certificate, holder.der, 2, os.urandom)
    choice, value = schema.decode("RawEncryptedKey", made)
    assert choice == "encryptedValue"
    content_key = holder.key.decrypt(value["encSymmKey"][0], padding.PKCS1v15())
    cipher = value["symmAlg"]
    assert cipher["algorithm"] == "2.16.840.1.101.3.4.1.42"
    assert reader.aes_decrypt(content_key, cipher["parameters"], value["encValue"][0]) == holder.der


def test_under_version_2_only_rsa_decrypts() -> None:
    holder = Plan(name("device"), key("P-256")).issue(None)
    with pytest.raises(CMPFailure) as raised:
        encrypted_certificate.encrypt(holder.certificate, holder.der, 2, os.urandom)
    assert raised.value.fail_info is FailInfo.badPOP


def test_a_key_that_only_signs_cannot_decrypt() -> None:
    holder = Plan(name("device"), key("Ed25519")).issue(None)
    with pytest.raises(CMPFailure):
        encrypted_certificate.encrypt(holder.certificate, holder.der, 3, os.urandom)
