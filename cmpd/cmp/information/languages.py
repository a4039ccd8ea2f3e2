"""The language of statusString and reason (RFC 9810, section 5.3.19.13; RFC 5646)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.schema import DecodeError

if TYPE_CHECKING:
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.transaction.exchange import Exchange

SPOKEN = ("en",)
"""Primary language subtags of the texts there are."""


async def supported(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """suppLangTags: the first of the client's languages that is spoken here."""
    try:
        offered: list[str] = schema.decode("SuppLangTagsValue", value or b"")
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "suppLangTags is not a list of language tags", detail=str(error)
        ) from None
    for tag in offered:
        if tag.split("-")[0].lower() in SPOKEN:
            return schema.encode("SuppLangTagsValue", [tag])
    raise CMPFailure(
        FailInfo.badRequest, f"suppLangTags has no language that is supported: {', '.join(SPOKEN)}"
    )
