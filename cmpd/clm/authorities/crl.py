"""A CA's CRLs, one or a number of partitions (RFC 5280, section 5): made on revocation and on schedule.

Building one takes about 6 µs an entry: some 0.6 s for 100,000. It runs in a thread. Signing holds the
interpreter for the last tenth of a second of that; entries are made in steps that let others in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.model import Act, CRLHead, StoredCRL
from cmpd.clm.pkix.keypairs import signature_hash
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import PutCRL, audited

REASONS: dict[int, x509.ReasonFlags] = {
    1: x509.ReasonFlags.key_compromise,
    2: x509.ReasonFlags.ca_compromise,
    3: x509.ReasonFlags.affiliation_changed,
    4: x509.ReasonFlags.superseded,
    5: x509.ReasonFlags.cessation_of_operation,
    6: x509.ReasonFlags.certificate_hold,
    9: x509.ReasonFlags.privilege_withdrawn,
    10: x509.ReasonFlags.aa_compromise,
}
"""CRLReason → how cryptography calls it. 0 (unspecified) is left out, as RFC 5280, 5.3.1, has it."""

SET_BACK = 3600
"""How far a CRL's thisUpdate may be ahead of the clock, in seconds: clocks of machines differ, and are set
right by a little. Further ahead, a clock was wrong that has been set right since, and its CRL is no use."""

Entry = tuple[int, int, int | None]
"""(serial number, when it was revoked, CRLReason)."""


def build_crl(
    authority: Authority, partition: int, number: int, entries: Iterable[Entry], now: int
) -> StoredCRL:
    """A CRL with these entries, complete for its partition, signed by the CA. Pure computation."""
    next_update = now + authority.crl.validity
    revoked = [_entry(serial, when, reason) for serial, when, reason in entries]
    point = x509.IssuingDistributionPoint(
        full_name=authority.points.locations(partition),
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    builder = x509.CertificateRevocationListBuilder(
        authority.certificate.subject,
        _time(now),
        _time(next_update),
        [
            x509.Extension(x509.CRLNumber.oid, False, x509.CRLNumber(number)),
            x509.Extension(
                x509.AuthorityKeyIdentifier.oid,
                False,
                x509.AuthorityKeyIdentifier(authority.key_id, None, None),
            ),
            x509.Extension(x509.IssuingDistributionPoint.oid, True, point),
        ],
        revoked,
    )
    crl = builder.sign(authority.key, signature_hash(authority.key))
    return StoredCRL(authority.id, partition, number, crl.public_bytes(Encoding.DER), now, next_update)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _entry(serial: int, when: int, reason: int | None) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder(serial, _time(when))
    flag = REASONS.get(reason or 0)
    return (builder.add_extension(x509.CRLReason(flag), critical=False) if flag else builder).build()


def is_due(crl: StoredCRL | CRLHead | None, authority: Authority, now: int) -> bool:
    """Whether the schedule asks for a new CRL: none yet, one from the future, or the overlap before
    nextUpdate has begun."""
    return crl is None or _is_from_future(crl, now) or now >= crl.next_update - authority.crl.overlap


def _is_from_future(crl: StoredCRL | CRLHead, now: int) -> bool:
    return crl.this_update - now > SET_BACK


async def refresh_crl(
    store: Store,
    authority: Authority,
    partition: int,
    now: int,
    *,
    actor: str = "cmpd",
    only_if_due: bool = False,
) -> StoredCRL:
    """Make and store the next CRL of a partition, one process at a time; with `only_if_due`, where another
    process did not just do it. Gives the latest. Raises StoreError."""
    async with store.crl_lock(authority.id, partition):
        last = await store.crl(authority.id, partition)
        if only_if_due and last is not None and not is_due(last, authority, now):
            return last
        since = now - authority.crl.keep_expired
        if last is not None and _is_from_future(last, now):
            since -= authority.crl.validity  # which may have left out what has not ended by the right clock
        elif last is not None:
            # RFC 5280, section 3.3: an entry stays until one CRL was made after its certificate's end.
            since = min(last.this_update, now) - authority.crl.keep_expired
            now = max(now, last.this_update)  # a clock set back a little must not make CRLs that look older
        serials = authority.points.serials(partition)
        entries = [entry async for entry in store.revoked(authority.id, since, serials)]
        number = last.number + 1 if last else 1
        crl = await asyncio.to_thread(build_crl, authority, partition, number, entries, now)
        detail = {"number": number, "partition": partition, "entries": len(entries)}
        event = audited(Act(actor, now), "crl.issue", f"ca:{authority.id}", **detail)
        await store.commit((PutCRL(crl), event))
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
