"""Private keys on their way to whom they were generated for (RFC 5958; RFC 9483, section 4.1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmpd.clm.pkix.keypairs import private_der
from cmpd.cmp.cms.enveloped import DATA, SIGNED_DATA, encrypted_key, envelop
from cmpd.cmp.cms.signed import ContentSigner, sign
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.message import CMP2021

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.cmp.cms.recipients import Recipient
    from cmpd.cmp.protection import PrivateKey

ASYMMETRIC_KEY_PACKAGE: Final = "2.16.840.1.101.2.1.2.78.5"
"""id-ct-KP-aKeyPackage."""
V2: Final = 1


def key_package(key: PrivateKey) -> bytes:
    """DER of AsymmetricKeyPackage with one key, its public half beside it."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    one = schema.decode("RawOneAsymmetricKey", private_der(key))
    one["version"] = V2
    one["publicKey"] = schema.decode("RawSubjectPublicKeyInfo", public)["subjectPublicKey"]
    return schema.encode("RawAsymmetricKeyPackage", [one])


def deliver(
    key: PrivateKey, authority: ContentSigner, recipient: Recipient, random: Callable[[int], bytes], pvno: int
) -> bytes:
    """A generated private key as CertifiedKeyPair's privateKey: DER of EncryptedKey.

    The package is signed by the key generation authority and then enveloped for the recipient. `pvno` is
    the request's. Under pvno 2, which has no EnvelopedData and so no rule for what is in it, the key goes
    alone, in no package: who asks under it is OpenSSL, which up to 3.6 reads nothing else.
    """
    if pvno >= CMP2021:
        signed = sign(key_package(key), ASYMMETRIC_KEY_PACKAGE, authority)
    else:
        signed = sign(private_der(key), DATA, authority)
    return encrypted_key(envelop(signed, SIGNED_DATA, recipient, random))
