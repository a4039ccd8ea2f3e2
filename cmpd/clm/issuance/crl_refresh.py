"""A CA's CRLs as the store has them: the next one made, one process at a time, and whether one is behind."""

from __future__ import annotations

import asyncio

from cryptography import x509

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.authorities.crl import is_due, is_from_future
from cmpd.clm.issuance.issuer import Issuer
from cmpd.clm.model import Act, StoredCRL
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import PutCRL, audited


async def refresh_crl(
    store: Store,
    issuer: Issuer,
    partition: int,
    now: int,
    *,
    actor: str = "cmpd",
    only_if_due: bool = False,
    only_if_owed: bool = False,
) -> StoredCRL:
    """Make and store the next CRL of a partition, one process at a time; with `only_if_due` or
    `only_if_owed`, where another process did not just do it. Gives the latest. Raises StoreError,
    KeyUnavailable, IssuerUnavailable."""
    authority = issuer.authority
    async with store.crl_lock(authority.id, partition):
        serials = authority.points.serials(partition)
        # Before the entries are read: what is owed later may not be among them.
        owed = await store.owed(authority.id, serials)
        last = await store.crl(authority.id, partition)
        if only_if_due and last is not None and not is_due(last, authority, now):
            return last
        if only_if_owed and last is not None and not owed:
            return last
        since = now - authority.crl.keep_expired
        if last is not None and is_from_future(last, now):
            since -= authority.crl.validity  # which may have left out what has not ended by the right clock
        elif last is not None:
            # RFC 5280, section 3.3: an entry stays until one CRL was made after its certificate's end.
            since = min(last.this_update, now) - authority.crl.keep_expired
            now = max(now, last.this_update)  # a clock set back a little must not make CRLs that look older
        entries = [entry async for entry in store.revoked(authority.id, since, serials)]
        number = last.number + 1 if last else 1
        crl = await issuer.crl(partition, number, entries, now)
        detail = {"number": number, "partition": partition, "entries": len(entries)}
        event = audited(Act(actor, now), "crl.issue", f"ca:{authority.id}", **detail)
        await store.commit((PutCRL(crl, tuple(one.number for one in owed)), event))
    return crl


async def is_behind(store: Store, authority: Authority, partition: int) -> bool:
    """Whether the store's revocations differ from its CRL: a process ended between the two."""
    crl = await store.crl(authority.id, partition)
    if crl is None:
        return True
    listed = await asyncio.to_thread(_serials, crl.der)
    serials = authority.points.serials(partition)
    due = {serial async for serial, _, _ in store.revoked(authority.id, crl.this_update, serials)}
    # The CRL may hold what ended since the one before it; whatever else it holds was released since.
    since = crl.this_update - authority.crl.validity - authority.crl.keep_expired
    known = {serial async for serial, _, _ in store.revoked(authority.id, since, serials)}
    return not due <= listed <= known


def _serials(der: bytes) -> set[int]:
    return {entry.serial_number for entry in x509.load_der_x509_crl(der)}
