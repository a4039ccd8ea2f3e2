"""A PKIMessage around a body (RFC 9810, section 5.1), in which any one thing may be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from cmpd.cmp.wire import schema
from tests.cmpclient.protection import Protection

Body = tuple[str, Any]
"""A body as `RawBody` has it: the alternative's name, and its value."""
OMIT: Final = object()
"""Given for a field, it leaves the field out."""
DEFAULT: Final = object()
"""Stands for what a well-behaved client sends."""
NOBODY = x509.Name([])


def general_name(name: x509.Name | bytes) -> bytes:
    """DER of a GeneralName directoryName; octets are taken for a GeneralName already."""
    if isinstance(name, bytes):
        return name
    return schema.encode("RawGeneralName", ("directoryName", name.public_bytes()))


def header(
    *,
    protection: Protection | None,
    algorithm: dict[str, Any] | None,
    sender: Any = DEFAULT,
    recipient: x509.Name | bytes = NOBODY,
    pvno: int = 2,
    message_time: Any = DEFAULT,
    sender_kid: Any = DEFAULT,
    recip_kid: Any = OMIT,
    transaction_id: Any = DEFAULT,
    sender_nonce: Any = DEFAULT,
    recip_nonce: Any = OMIT,
    free_text: Any = OMIT,
    general_info: Any = OMIT,
    protection_alg: Any = DEFAULT,
) -> dict[str, Any]:
    """A PKIHeader as `RawHeader` has it. What is OMIT is left out."""

    def chosen(given: Any, default: Callable[[], Any]) -> Any:
        value = default() if given is DEFAULT else given
        return OMIT if value is None else value

    sender = chosen(sender, lambda: protection.sender if protection else NOBODY)
    protection_alg = chosen(protection_alg, lambda: algorithm)
    value = {
        "pvno": pvno,
        "sender": general_name(sender),
        "recipient": general_name(recipient),
        "messageTime": chosen(message_time, lambda: datetime.now(UTC).replace(microsecond=0)),
        "protectionAlg": _algorithm(protection_alg),
        "senderKID": chosen(sender_kid, lambda: protection.sender_kid if protection else None),
        "recipKID": recip_kid,
        "transactionID": chosen(transaction_id, lambda: os.urandom(16)),
        "senderNonce": chosen(sender_nonce, lambda: os.urandom(16)),
        "recipNonce": chosen(recip_nonce, lambda: None),
        "freeText": free_text,
        "generalInfo": _general_info(general_info),
    }
    return {field: content for field, content in value.items() if content is not OMIT}


def _algorithm(value: Any) -> Any:
    return schema.encode("AlgorithmIdentifier", value) if isinstance(value, dict) else value


def _general_info(info: Any) -> Any:
    if not isinstance(info, Mapping):
        return info
    return [
        {"infoType": oid} if value is None else {"infoType": oid, "infoValue": value}
        for oid, value in info.items()
    ]


def build(
    body: Body | bytes,
    *,
    protection: Protection | None,
    extra_certs: Sequence[bytes] | None = None,
    tamper: Callable[[bytes], Any] = lambda bits: bits,
    **fields: Any,
) -> bytes:
    """DER of a PKIMessage.

    `body` is one of `requests`, or the DER of a PKIBody; `fields` are those of `header`. `tamper` takes the
    protection bits and gives those to be sent, or OMIT. `extra_certs` are the protection's own by default.
    """
    algorithm, protect = protection.start() if protection else (None, None)
    head = schema.encode("RawHeader", header(protection=protection, algorithm=algorithm, **fields))
    body_der = body if isinstance(body, bytes) else schema.encode("RawBody", body)
    value: dict[str, Any] = {"header": head, "body": body_der}
    if protect is not None:
        bits = tamper(protect(schema.encode("RawProtectedPart", value)))
        if bits is not OMIT:
            value["protection"] = (bits, 8 * len(bits))
    certificates = extra_certs if extra_certs is not None else protection.extra_certs if protection else ()
    if certificates:
        value["extraCerts"] = list(certificates)
    return schema.encode("RawMessage", value)


def flip_last_bit(bits: bytes) -> bytes:
    """For `tamper`: protection that is wrong by one bit."""
    return bits[:-1] + bytes([bits[-1] ^ 1])
