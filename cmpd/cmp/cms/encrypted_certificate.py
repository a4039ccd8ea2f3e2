"""Certificates that only the holder of their key can read, and so prove its possession.

The indirect method of RFC 9810, section 5.2.8.3.2: certConf's certHash is the proof. Version 3 of CMP
envelops the certificate in CMS; version 2 has EncryptedValue (RFC 4211, section 6.4), which knows RSA
only, and RSA with PKCS #1 v1.5, the one padding its clients try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cmpd.clm.pkix.algorithms.rsa import OID as RSA_ENCRYPTION
from cmpd.cmp.cms import identifiers
from cmpd.cmp.cms.enveloped import DATA, encrypted_key, envelop
from cmpd.cmp.cms.recipients import CertificateId, for_key
from cmpd.cmp.protection import hashing
from cmpd.cmp.protection.key_title import key_title
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import CMP2021

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from cmpd.cmp.protection import PublicKey


def encrypt(certificate: x509.Certificate, der: bytes, pvno: int, random: Callable[[int], bytes]) -> bytes:
    """DER of EncryptedKey around a certificate, for CertOrEncCert's encryptedCert.

    `pvno` is the message's. Raises CMPFailure where its key cannot decrypt, or not in that version.
    """
    key = certificate.public_key()
    if pvno >= CMP2021:
        recipient = for_key(key, CertificateId.of(certificate))
        return encrypted_key(envelop(der, DATA, recipient, random))
    return _encrypted_value(der, key, random)


def _encrypted_value(der: bytes, key: PublicKey, random: Callable[[int], bytes]) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey):
        raise CMPFailure(
            FailInfo.badPOP,
            f"a certificate for a key of kind {key_title(key)} is encrypted under pvno 3 only",
        )
    content_key = random(identifiers.KEY_OCTETS)
    iv = random(identifiers.BLOCK_OCTETS)
    wrapped = key.encrypt(content_key, padding.PKCS1v15())
    content = identifiers.encrypt(content_key, iv, der)
    value = {
        "symmAlg": {
            "algorithm": identifiers.AES256_CBC,
            "parameters": schema.encode("InitializationVector", iv),
        },
        "encSymmKey": (wrapped, 8 * len(wrapped)),
        "keyAlg": {"algorithm": RSA_ENCRYPTION, "parameters": hashing.NULL},
        "encValue": (content, 8 * len(content)),
    }
    return schema.encode("RawEncryptedKey", ("encryptedValue", value))
