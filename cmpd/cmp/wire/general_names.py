"""Names as CMP carries them (RFC 9810, section 5.1.1; RFC 5280, section 4.2.1.6)."""

from __future__ import annotations

from functools import cache, lru_cache

from cmpd.cmp.wire import schema


@lru_cache(maxsize=256)
def directory_name(name: bytes) -> bytes:
    """DER of GeneralName directoryName from the DER of a Name."""
    return schema.encode("RawGeneralName", ("directoryName", name))


@cache
def null_dn() -> bytes:
    """DER of the GeneralName of nobody in particular: directoryName with no RDNs (RFC 9810, 5.1.1)."""
    return directory_name(schema.encode("RawName", []))
