"""PKIStatusInfo as content of responses (RFC 9810, section 5.2.3)."""

from __future__ import annotations

from typing import Any

from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus

LONGEST_TEXT = 512
"""Characters of one statusString; texts quote what unauthenticated peers sent."""


def status_info(status: PKIStatus, fail_info: FailInfo | None = None, text: str = "") -> dict[str, Any]:
    """The value of a PKIStatusInfo."""
    value: dict[str, Any] = {"status": int(status)}
    if text:
        value["statusString"] = [text[:LONGEST_TEXT]]
    if fail_info is not None:
        octets = bytearray(fail_info // 8 + 1)
        octets[fail_info // 8] = 0x80 >> fail_info % 8
        value["failInfo"] = (bytes(octets), fail_info + 1)
    return value


def failure_info(failure: CMPFailure) -> dict[str, Any]:
    """The PKIStatusInfo that tells a client of a failure."""
    return status_info(failure.status, failure.fail_info, failure.text)


def is_accepted(info: dict[str, Any] | None) -> bool:
    """Whether a client's PKIStatusInfo, absent or not, says accepted or grantedWithMods."""
    return info is None or info["status"] in (PKIStatus.accepted, PKIStatus.grantedWithMods)


def status_of(info: dict[str, Any]) -> tuple[int, list[int], str]:
    """(PKIStatus, the bits set in failInfo, the text) of a PKIStatusInfo."""
    octets, length = info.get("failInfo", (b"", 0))
    bits = [bit for bit in range(length) if octets[bit // 8] & 0x80 >> bit % 8]
    return info["status"], bits, " ".join(info.get("statusString", ()))
