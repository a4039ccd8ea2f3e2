"""EnvelopedData for one recipient (RFC 5652, section 6; RFC 9810, section 5.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cmpd.cmp.cms import identifiers
from cmpd.cmp.wire import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.cmp.cms.recipients import Recipient

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"


def envelop(
    content: bytes, content_type: str, recipient: Recipient, random: Callable[[int], bytes]
) -> dict[str, Any]:
    """`content` under a fresh key that only the recipient recovers, shaped as `RawEnvelopedData`.

    Encrypted with AES-256-CBC: EnvelopedData has no place for what authenticates (RFC 9481, section 5).
    """
    content_key = random(identifiers.KEY_OCTETS)
    iv = random(identifiers.BLOCK_OCTETS)
    parameters = schema.encode("InitializationVector", iv)
    return {
        "version": recipient.version,
        "recipientInfos": [recipient.wrap(content_key, random)],
        "encryptedContentInfo": {
            "contentType": content_type,
            "contentEncryptionAlgorithm": identifiers.identifier(identifiers.AES256_CBC, parameters),
            "encryptedContent": identifiers.encrypt(content_key, iv, content),
        },
    }


def encrypted_key(enveloped: dict[str, Any]) -> bytes:
    """DER of EncryptedKey with the choice envelopedData (RFC 4211, section 6.4)."""
    return schema.encode("RawEncryptedKey", ("envelopedData", enveloped))
