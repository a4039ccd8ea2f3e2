"""A CA's CRLs, one or a number of partitions (RFC 5280, section 5): made on revocation and on schedule.

Building one takes about 6 µs an entry: some 0.6 s for 100,000. It runs in a thread. Signing holds the
interpreter for the last tenth of a second of that; entries are made in steps that let others in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.model import CRLHead, StoredCRL
from cmpd.times import x509_time

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


async def make_crl(
    authority: Authority, partition: int, number: int, entries: Iterable[Entry], now: int
) -> StoredCRL:
    """A CRL with these entries, complete for its partition, signed by the CA; what takes long runs in a
    thread. Raises KeyUnavailable."""
    builder = await asyncio.to_thread(_builder, authority, partition, number, entries, now)
    crl = await authority.key.signed(builder, large=True)
    der = crl.public_bytes(Encoding.DER)
    return StoredCRL(authority.id, partition, number, der, now, now + authority.crl.validity)


def _builder(
    authority: Authority, partition: int, number: int, entries: Iterable[Entry], now: int
) -> x509.CertificateRevocationListBuilder:
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
    return x509.CertificateRevocationListBuilder(
        authority.certificate.subject,
        x509_time(now),
        x509_time(now + authority.crl.validity),
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


def _entry(serial: int, when: int, reason: int | None) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder(serial, x509_time(when))
    flag = REASONS.get(reason or 0)
    return (builder.add_extension(x509.CRLReason(flag), critical=False) if flag else builder).build()


def is_due(crl: StoredCRL | CRLHead | None, authority: Authority, now: int) -> bool:
    """Whether the schedule asks for a new CRL: none yet, one from the future, or the overlap before
    nextUpdate has begun."""
    return crl is None or is_from_future(crl, now) or now >= crl.next_update - authority.crl.overlap


def is_from_future(crl: StoredCRL | CRLHead, now: int) -> bool:
    return crl.this_update - now > SET_BACK
