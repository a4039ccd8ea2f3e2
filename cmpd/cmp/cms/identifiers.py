"""Algorithm identifiers of CMS (RFC 9481, sections 4 and 5), and DER's order in SET OF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from cmpd.cmp.wire import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

AES256_CBC: Final = "2.16.840.1.101.3.4.1.42"
AES256_WRAP: Final = "2.16.840.1.101.3.4.1.45"
KEY_OCTETS: Final = 32
"""Of a content-encryption key and of a key-encryption key: AES-256."""
BLOCK_OCTETS: Final = 16


def identifier(oid: str, parameters: bytes | None = None) -> bytes:
    """DER of an AlgorithmIdentifier."""
    value: dict[str, Any] = {"algorithm": oid}
    if parameters is not None:
        value["parameters"] = parameters
    return schema.encode("AlgorithmIdentifier", value)


def encrypt(key: bytes, iv: bytes, content: bytes) -> bytes:
    """AES-CBC with the padding of RFC 5652, section 6.3."""
    padder = PKCS7(8 * BLOCK_OCTETS).padder()
    return encrypt_blocks(key, iv, padder.update(content) + padder.finalize())


def encrypt_blocks(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    """AES-CBC of whole blocks."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def in_order(type_name: str, values: Iterable[Any]) -> list[Any]:
    """The values of a SET OF in the order DER wants: that of their encodings (X.690, section 11.6)."""
    return sorted(values, key=lambda value: schema.encode(type_name, value))
