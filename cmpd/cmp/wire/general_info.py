"""The items of generalInfo that carry meaning for the server (RFC 9810, section 5.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cmpd.cmp.wire import schema

IMPLICIT_CONFIRM = "1.3.6.1.5.5.7.4.13"
CONFIRM_WAIT_TIME = "1.3.6.1.5.5.7.4.14"


def asks_implicit_confirm(info: Mapping[str, bytes | None]) -> bool:
    """Whether the client asks to go without certConf (section 5.1.1.1)."""
    return IMPLICIT_CONFIRM in info


def implicit_confirm() -> dict[str, bytes | None]:
    """The grant of implicit confirmation (section 5.1.1.1)."""
    return {IMPLICIT_CONFIRM: schema.encode("ImplicitConfirmValue", None)}


def confirm_wait_time(until: int) -> dict[str, bytes | None]:
    """Until when certConf is awaited, in seconds since the epoch (section 5.1.1.2)."""
    return {CONFIRM_WAIT_TIME: schema.encode("ConfirmWaitTimeValue", datetime.fromtimestamp(until, UTC))}
