"""CRLs (RFC 9483, section 4.3.4; RFC 9810, sections 5.3.19.6 and 5.3.19.17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography import x509

from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.schema import DecodeError
from cmpd.times import seconds_of

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.transaction.exchange import Exchange

MOST_SOURCES = 16
"""CRL sources one crlStatusList may name."""


async def current(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """currentCRL: the issuing CA's latest; none where that is in parts, of which the question names none."""
    if compiled.authority.crl_partitions > 1:
        return None
    crl = await exchange.clm.crl(compiled.authority, 0)
    return crl.der if crl is not None else None


async def newer(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """crls: of each source named those that are newer than what the client has."""
    found: list[bytes] = []
    for status in _statuses(value):
        since = status.get("thisUpdate")
        after = seconds_of(since[1]) if since is not None else -1
        for authority in await exchange.clm.authorities():
            for partition in _meant(status["source"], authority, compiled):
                crl = await exchange.clm.crl(authority, partition)
                if crl is not None and crl.this_update > after and crl.der not in found:
                    found.append(crl.der)
    return schema.encode("RawCertificates", found) if found else None


def _statuses(value: bytes | None) -> list[dict[str, Any]]:
    if value is None:
        raise CMPFailure(
            FailInfo.badDataFormat, "crlStatusList has no value: it must say which CRLs are requested"
        )
    try:
        statuses: list[dict[str, Any]] = schema.decode("RawCRLStatusList", value)
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "crlStatusList is not a list of CRLStatus", detail=str(error)
        ) from None
    if not 1 <= len(statuses) <= MOST_SOURCES:
        raise CMPFailure(
            FailInfo.badRequest,
            f"crlStatusList names {len(statuses)} CRL sources, 1 to {MOST_SOURCES} are expected",
        )
    return statuses


def _meant(source: tuple[str, Any], authority: Authority, compiled: CompiledPolicy) -> Sequence[int]:
    """Which of a CA's CRLs the client means: all by the issuer's name, one by a URL where it is published."""
    partitions = range(authority.crl_partitions)
    kind, names = source
    if kind == "issuer":
        return partitions if ("directoryName", authority.subject_der) in names else ()
    choice, full_name = names
    if choice != "fullName":
        return ()
    urls = {name for kind, name in full_name if kind == "uniformResourceIdentifier"}
    return [one for one in partitions if urls & _published(authority, one, compiled)]


def _published(authority: Authority, partition: int, compiled: CompiledPolicy) -> set[str]:
    """The URLs of a CRL: where every CA's is published, and where the template says it is."""
    by_id = authority.points
    by_name = replace(by_id, ca=authority.name)
    urls = {name.value for place in (by_id, by_name) for name in place.locations(partition)}
    if authority.id == compiled.authority.id:
        urls |= _distribution_points(compiled, partition)
    return urls


def _distribution_points(compiled: CompiledPolicy, partition: int) -> set[str]:
    return {
        name.value
        for extension in compiled.profile.constants[partition]
        if isinstance(extension.value, x509.CRLDistributionPoints)
        for point in extension.value
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier)
    }
