"""A PKIMessage as it came, and one as it goes (RFC 9810, section 5.1).

What was signed or MACed is kept as the bytes that came: header and body are sliced out of the message
and the ProtectedPart (section 5.1.3) is put together from these slices, never from decoded values.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from cmpd.cmp.wire import schema
from cmpd.cmp.wire.schema import DecodeError
from cmpd.records import quick_dataclass

CMP2000, CMP2021 = 2, 3
"""pvno (RFC 9810, section 7)."""


class Body(IntEnum):
    """The tags of PKIBody's alternatives (RFC 9810, section 5.1.2)."""

    IR = 0
    IP = 1
    CR = 2
    CP = 3
    P10CR = 4
    POPDECC = 5
    POPDECR = 6
    KUR = 7
    KUP = 8
    KRR = 9
    KRP = 10
    RR = 11
    RP = 12
    CCR = 13
    CCP = 14
    CKUANN = 15
    CANN = 16
    RANN = 17
    CRLANN = 18
    PKICONF = 19
    NESTED = 20
    GENM = 21
    GENP = 22
    ERROR = 23
    CERTCONF = 24
    POLLREQ = 25
    POLLREP = 26

    @property
    def field(self) -> str:
        """The alternative's name in the ASN.1."""
        return FIELDS[self]


FIELDS = {
    body: {"PKICONF": "pkiconf", "CERTCONF": "certConf", "POLLREQ": "pollReq", "POLLREP": "pollRep"}.get(
        body.name, body.name.lower()
    )
    for body in Body
}


@quick_dataclass(frozen=True, slots=True)
class Algorithm:
    """An AlgorithmIdentifier: its OID, its parameters' DER where present, and its own DER."""

    oid: str
    parameters: bytes | None
    der: bytes


@quick_dataclass(frozen=True, slots=True)
class Header:
    """PKIHeader (RFC 9810, section 5.1.1)."""

    pvno: int
    sender: bytes
    """DER of the GeneralName."""
    recipient: bytes
    message_time: datetime | None
    protection_alg: Algorithm | None
    sender_kid: bytes | None
    transaction_id: bytes | None
    sender_nonce: bytes | None
    recip_nonce: bytes | None
    general_info: dict[str, bytes | None]
    """infoType OID → infoValue DER; the first of each type counts."""


@quick_dataclass(frozen=True, slots=True)
class Message:
    """One PKIMessage as it was received."""

    der: bytes
    header_der: bytes
    body_der: bytes
    header: Header
    tag: int
    """The body's tag; a `Body` where it is one that RFC 9810 knows."""
    content: Any
    """The body, decoded as far as the raw views go; None where the tag is none of `Body`."""
    protection: bytes | None
    extra_certs: tuple[bytes, ...]

    @property
    def protected_part(self) -> bytes:
        """The DER that protection covers (RFC 9810, section 5.1.3)."""
        return protected_part(self.header_der, self.body_der)

    @property
    def kind(self) -> str:
        """The body's name in the ASN.1, or its tag in brackets."""
        return FIELDS[Body(self.tag)] if self.tag in FIELDS else f"[{self.tag}]"


def protected_part(header: bytes, body: bytes) -> bytes:
    """DER of ProtectedPart from the DER of its two parts."""
    return schema.encode("RawProtectedPart", {"header": header, "body": body})


def parse_algorithm(der: bytes) -> Algorithm:
    """Raises DecodeError."""
    value = schema.decode("RawAlgorithmIdentifier", der)
    parameters = value.get("parameters")
    return Algorithm(value["algorithm"], bytes(parameters) if parameters is not None else None, bytes(der))


def parse_header(der: bytes) -> Header:
    """Raises DecodeError."""
    value = schema.decode("RawHeader", der)
    algorithm = value.get("protectionAlg")
    told: datetime | None = value.get("messageTime")
    info: dict[str, bytes | None] = {}
    for item in value.get("generalInfo", ()):
        value_der = item.get("infoValue")
        info.setdefault(item["infoType"], bytes(value_der) if value_der is not None else None)
    return Header(
        pvno=value["pvno"],
        sender=bytes(value["sender"]),
        recipient=bytes(value["recipient"]),
        message_time=told.replace(tzinfo=UTC) if told is not None else None,
        protection_alg=parse_algorithm(algorithm) if algorithm is not None else None,
        sender_kid=value.get("senderKID"),
        transaction_id=value.get("transactionID"),
        sender_nonce=value.get("senderNonce"),
        recip_nonce=value.get("recipNonce"),
        general_info=info,
    )


def parse(der: bytes) -> Message:
    """A PKIMessage from its DER. Raises DecodeError for whatever is not one."""
    outer = schema.decode("RawMessage", der)
    header_der, body_der = bytes(outer["header"]), bytes(outer["body"])
    if not body_der or body_der[0] & 0xE0 != 0xA0:
        raise DecodeError("the body is not a PKIBody")
    tag = body_der[0] & 0x1F
    protection = outer.get("protection")
    if protection is not None and protection[1] % 8:
        raise DecodeError("the protection is not a whole number of octets")
    return Message(
        der=der,
        header_der=header_der,
        body_der=body_der,
        header=parse_header(header_der),
        tag=tag,
        content=schema.decode("RawBody", body_der)[1] if tag in FIELDS else None,
        protection=protection[0] if protection is not None else None,
        extra_certs=tuple(bytes(der) for der in outer.get("extraCerts", ())),
    )


def encode_body(body: Body, content: Any) -> bytes:
    """DER of PKIBody; `content` is shaped as `RawBody`'s alternative of that name."""
    return schema.encode("RawBody", (body.field, content))


def encode_header(
    *,
    pvno: int,
    sender: bytes,
    recipient: bytes,
    message_time: int,
    protection_alg: bytes | None,
    sender_kid: bytes | None,
    transaction_id: bytes,
    sender_nonce: bytes,
    recip_nonce: bytes | None,
    general_info: dict[str, bytes | None],
) -> bytes:
    """DER of PKIHeader; `message_time` in seconds since the epoch, algorithms and names as DER."""
    value: dict[str, Any] = {
        "pvno": pvno,
        "sender": sender,
        "recipient": recipient,
        "messageTime": datetime.fromtimestamp(message_time, UTC),
        "transactionID": transaction_id,
        "senderNonce": sender_nonce,
    }
    optional = {"protectionAlg": protection_alg, "senderKID": sender_kid, "recipNonce": recip_nonce}
    value.update({name: field for name, field in optional.items() if field is not None})
    if general_info:
        value["generalInfo"] = [
            {"infoType": oid} if der is None else {"infoType": oid, "infoValue": der}
            for oid, der in general_info.items()
        ]
    return schema.encode("RawHeader", value)


def encode(header: bytes, body: bytes, protection: bytes | None, extra_certs: tuple[bytes, ...]) -> bytes:
    """DER of PKIMessage from the DER of its parts."""
    value: dict[str, Any] = {"header": header, "body": body}
    if protection is not None:
        value["protection"] = (protection, 8 * len(protection))
    if extra_certs:
        value["extraCerts"] = list(extra_certs)
    return schema.encode("RawMessage", value)
