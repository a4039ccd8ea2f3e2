"""The checks every message's header passes, each a row of `FIRST` or `LATER` (RFC 9483, section 3.5).

They cost nothing and need no key; protection is checked after them, in `cmpd.cmp.authentication`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from cmpd.clm.model import Transaction
from cmpd.cmp.transaction.bodies import BODY_TYPES
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import CMP2000, CMP2021, Header, Message
from cmpd.records import quick_dataclass

NONCE_OCTETS = 16
"""RFC 9483, section 3.1: 128 bits of randomness at the least."""
LONGEST_FIELD = 128
"""Octets of transactionID, nonces and senderKID that are kept; an unauthenticated peer chooses them."""


@quick_dataclass(frozen=True, slots=True)
class HeaderContext:
    """What the checks look at beside the message."""

    now: int
    time_tolerance: int
    """Seconds that messageTime may be off; 0: any."""
    transaction: Transaction | None
    """What the store knows under the message's transactionID."""
    time_required: bool = False
    """Whether messageTime has to be there."""


def version(message: Message, context: HeaderContext) -> None:
    if message.header.pvno not in (CMP2000, CMP2021):
        raise CMPFailure(
            FailInfo.unsupportedVersion, f"pvno {message.header.pvno} is not supported, 2 and 3 are"
        )


def body_type(message: Message, context: HeaderContext) -> None:
    if message.tag not in BODY_TYPES:
        raise CMPFailure(FailInfo.badRequest, f"body type {message.kind} is not supported")


def message_time(message: Message, context: HeaderContext) -> None:
    told = message.header.message_time
    if told is None and context.time_required:
        raise CMPFailure(FailInfo.badTime, "messageTime is missing; this server requires it")
    if told is None or not context.time_tolerance:
        return
    off = abs(told.timestamp() - context.now)
    if off > context.time_tolerance:
        raise CMPFailure(
            FailInfo.badTime,
            f"messageTime is {off:.0f} seconds from this server's clock, "
            f"{context.time_tolerance} are tolerated",
        )


def transaction_id(message: Message, context: HeaderContext) -> None:
    value = message.header.transaction_id
    if not value:
        raise CMPFailure(FailInfo.badDataFormat, "transactionID is missing")
    if len(value) > LONGEST_FIELD:
        raise CMPFailure(FailInfo.badDataFormat, f"transactionID is longer than {LONGEST_FIELD} octets")


def sender_nonce(message: Message, context: HeaderContext) -> None:
    value = message.header.sender_nonce
    if value is None:
        raise CMPFailure(FailInfo.badSenderNonce, "senderNonce is missing")
    if not NONCE_OCTETS <= len(value) <= LONGEST_FIELD:
        raise CMPFailure(
            FailInfo.badSenderNonce,
            f"senderNonce has {len(value)} octets, {NONCE_OCTETS} to {LONGEST_FIELD} are expected",
        )


def no_recip_nonce(message: Message, context: HeaderContext) -> None:
    if message.header.recip_nonce is not None:
        raise CMPFailure(
            FailInfo.badRecipientNonce, "recipNonce has no place in a transaction's first message"
        )


def recip_nonce(message: Message, context: HeaderContext) -> None:
    if context.transaction is None:
        return
    if not hmac.compare_digest(message.header.recip_nonce or b"", context.transaction.server_nonce):
        raise CMPFailure(
            FailInfo.badRecipientNonce, "recipNonce is not the senderNonce of the message before"
        )


def lookup_keys(header: Header) -> tuple[bytes, bytes]:
    """The transactionID and senderKID to look up before the checks: empty, which nothing is found by, where
    there is none; nor a transactionID that could not be kept."""
    value = header.transaction_id or b""
    return value if len(value) <= LONGEST_FIELD else b"", header.sender_kid or b""


Check = Callable[[Message, HeaderContext], None]

EVERY: tuple[Check, ...] = (version, body_type, message_time, transaction_id, sender_nonce)
FIRST: tuple[Check, ...] = (*EVERY, no_recip_nonce)
LATER: tuple[Check, ...] = (*EVERY, recip_nonce)


def header(message: Message, context: HeaderContext) -> None:
    """Run the checks that fit the body. Raises the CMPFailure of the first that fails."""
    for check in _fitting(message.tag):
        check(message, context)


def _fitting(tag: int) -> tuple[Check, ...]:
    """The checks for a body; a nested message repeats the recipNonce of what it holds, where it has one
    (RFC 9483, section 5.2.2.1)."""
    row = BODY_TYPES.get(tag)
    if row is None:
        return LATER
    if row.begins:
        return FIRST
    return LATER if row.goes_on else EVERY
