"""CA certificates and their changes of key (RFC 9483, sections 4.3.1 and 4.3.2; RFC 9810, 5.3.13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cmpd.cmp.transaction.protector import issuing_chain
from cmpd.cmp.wire import schema

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.transaction.exchange import Exchange


async def ca_certificates(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """caCerts: the issuing CA's certificate and those above it. A root is for the client to trust by
    other means, and stands here only where it issues itself."""
    return schema.encode("RawCertificates", list(issuing_chain(compiled.authority)))


async def root_update(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """rootCaKeyUpdate: what replaced the root the client has, with the links between the two keys where
    one followed the other directly. A client that names no root is told how the present one came."""
    known = {authority.id: authority for authority in await exchange.clm.authorities()}
    root = compiled.authority.root_der if value is None else value
    old = next((authority for authority in known.values() if authority.certificate_der == root), None)
    if old is None:
        return None
    new = _newest(known, old)
    if new is old and value is None and new.predecessor is not None:
        old = known.get(new.predecessor, new)
    if new is old:
        return None
    update: dict[str, Any] = {"newWithNew": new.certificate_der}
    if new.predecessor == old.id:
        links = {"newWithOld": new.new_with_old, "oldWithNew": new.old_with_new}
        update.update({name: der for name, der in links.items() if der is not None})
    return schema.encode("RawRootCaKeyUpdateContent", update)


async def ca_key_update(exchange: Exchange, compiled: CompiledPolicy, value: bytes | None) -> bytes | None:
    """caKeyUpdateInfo: the latest change of key of the issuing CA or of the root above it, as version 2
    announces it (CAKeyUpdAnnContent)."""
    known = {authority.id: authority for authority in await exchange.clm.authorities()}
    above = _roots(known.values(), compiled.authority)
    for authority in (_newest(known, compiled.authority), *(_newest(known, root) for root in above)):
        if authority.new_with_old is not None and authority.old_with_new is not None:
            announcement = {
                "oldWithNew": authority.old_with_new,
                "newWithOld": authority.new_with_old,
                "newWithNew": authority.certificate_der,
            }
            return schema.encode("RawCAKeyUpdAnnContent", announcement)
    return None


def _newest(known: dict[str, Authority], authority: Authority) -> Authority:
    """What followed the CA, at the end of all its changes of key."""
    for _ in known:
        following = known.get(authority.successor or "")
        if following is None:
            break
        authority = following
    return authority


def _roots(known: Iterable[Authority], authority: Authority) -> list[Authority]:
    return [one for one in known if one.certificate_der == authority.root_der]
