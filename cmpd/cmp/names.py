"""Names as CMP carries them (RFC 9810, section 5.1.1; RFC 5280, section 4.2.1.6)."""

from __future__ import annotations

from cmpd.cmp import schema


def directory_name(name: bytes) -> bytes:
    """DER of GeneralName directoryName from the DER of a Name."""
    return schema.encode("RawGeneralName", ("directoryName", name))
