"""SignedData with one signer and signed attributes (RFC 5652, section 5; RFC 8933)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cmpd.cmp.cms.identifiers import identifier, in_order
from cmpd.cmp.protection import hashing, signature
from cmpd.cmp.wire import schema

if TYPE_CHECKING:
    from cmpd.cmp.protection import PrivateKey

CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SHAKE256_LEN: Final = "2.16.840.1.101.3.4.2.18"


@dataclass(frozen=True, slots=True)
class ContentSigner:
    """Who signs: its key, its certificate's subjectKeyIdentifier and the certificates to send along."""

    key: PrivateKey
    key_id: bytes
    certificates: tuple[bytes, ...]
    """DER; the signer's own first, then its chain as far as the recipient needs it."""


def sign(content: bytes, content_type: str, signer: ContentSigner) -> bytes:
    """DER of SignedData around `content`."""
    algorithm = signature.suiting(signer.key)
    digest_name = algorithm.certificate_hash or "SHA-512"
    digest_algorithm = _digest_identifier(digest_name)
    attributes = in_order(
        "RawSignedAttribute",
        [
            _attribute(CONTENT_TYPE, "SignedContentType", content_type),
            _attribute(MESSAGE_DIGEST, "SignedMessageDigest", hashing.digest(digest_name, content)),
        ],
    )
    signer_info = {
        "version": 3,
        "sid": ("subjectKeyIdentifier", signer.key_id),
        "digestAlgorithm": digest_algorithm,
        "signedAttrs": attributes,
        "signatureAlgorithm": signature.identifier(algorithm),
        "signature": algorithm.sign(signer.key, schema.encode("RawSignedAttributes", attributes)),
    }
    return schema.encode(
        "RawSignedData",
        {
            "version": 3,
            "digestAlgorithms": [digest_algorithm],
            "encapContentInfo": {"eContentType": content_type, "eContent": content},
            "certificates": sorted(signer.certificates),
            "signerInfos": [signer_info],
        },
    )


def _attribute(oid: str, type_name: str, value: Any) -> dict[str, Any]:
    return {"attrType": oid, "attrValues": [schema.encode(type_name, value)]}


def _digest_identifier(name: str) -> bytes:
    """Parameters are absent (RFC 5754, section 2), but SHAKE256 says its length (RFC 8419, section 3)."""
    if name == "SHAKE256":
        bits = schema.encode("ShakeOutputBits", 8 * hashing.SHAKE256_OCTETS)
        return identifier(SHAKE256_LEN, bits)
    return identifier(hashing.HASH_OIDS[name])
