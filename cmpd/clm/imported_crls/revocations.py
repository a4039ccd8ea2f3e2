"""Whether certificates that others issued are revoked, by the CRLs that operators handed in.

Nothing is fetched here. What was issued by this server is not looked up here either: its state is in the
store. A certificate that stands on a CRL of its issuer is refused even where that CRL is out of date: what
was revoked stays so. The parsed CRLs are kept, up to `MOST_OCTETS` of them; to see that they still are the
latest takes a request one small read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from cmpd.clm.imported_crls.stored import IMPORTED, LAST_ACT, ImportedCRL, family_at, family_of
from cmpd.clm.pkix.paths import describe
from cmpd.clm.pkix.unreadable import read_certificate

if TYPE_CHECKING:
    from cryptography import x509

    from cmpd.clm.model import CRLHead, StoredCRL
    from cmpd.clm.store.base import Store

MOST_OCTETS = 64 << 20
"""Of CRLs that are kept parsed; the memory they take is about four times as much."""


class Revoked(Exception):
    """A certificate of a path stands on a CRL of its issuer."""

    def __init__(self, certificate: x509.Certificate) -> None:
        super().__init__(f"certificate {describe(certificate.subject)} is revoked")
        self.certificate = certificate


class StatusUnknown(Exception):
    """No CRL tells whether a certificate of a path is revoked, and one has to."""

    def __init__(self, certificate: x509.Certificate) -> None:
        super().__init__(
            f"certificate {describe(certificate.subject)} has an issuer without a CRL that is in date"
        )
        self.certificate = certificate


class Revocations:
    """The imported CRLs as one process knows them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._act = 0
        self._heads: dict[int, list[CRLHead]] = {}
        """By family of issuer's name (`imported_crls.family_of`), as of act number `_act`."""
        self._kept: OrderedDict[int, ImportedCRL] = OrderedDict()
        """By place, that used last at the end."""
        self._issuers: dict[int, str] = {}
        """What the issuers of the places are called, which never changes."""
        self._reading = asyncio.Lock()
        """For all who ask at once there is one read."""

    async def check(self, path: Sequence[x509.Certificate], now: int, *, required: bool) -> None:
        """See that no certificate of a valid path, leaf to anchor, is revoked (RFC 5280, section 6.3).

        `now` in seconds since the epoch. `required`: each below the anchor needs a CRL of its issuer that is
        in date. Raises Revoked, StatusUnknown, StoreError.
        """
        await self._look()
        for certificate, issuer in pairwise(path):
            own = [crl for crl in await self._crls(certificate.issuer) if await _is_signed(crl, issuer)]
            if any(crl.lists(certificate.serial_number) for crl in own):
                raise Revoked(certificate)
            if required and not any(crl.is_in_date(now) and crl.covers(certificate) for crl in own):
                raise StatusUnknown(certificate)
        if await self._is_listed(path[-1]):
            raise Revoked(path[-1])

    async def is_revoked(self, certificate_der: bytes) -> bool:
        """Whether a certificate stands on a CRL of its issuer, as names and key identifiers tell it: for one
        whose path was verified before. Raises one of `unreadable.UNREADABLE`, StoreError."""
        certificate = read_certificate(certificate_der)
        await self._look()
        return certificate is not None and await self._is_listed(certificate)

    async def next_updates(self) -> dict[str, int]:
        """Issuer's name (RFC 4514 text) → when the first of its CRLs ends, in seconds since the epoch."""
        await self._look()
        ends: dict[str, int] = {}
        for head in (head for heads in self._heads.values() for head in heads):
            if head.partition not in self._issuers:
                crl = await self._crl(head)
                self._issuers[head.partition] = describe(crl.issuer) if crl is not None else ""
            issuer = self._issuers[head.partition]
            ends[issuer] = min(head.next_update, ends.get(issuer, head.next_update))
        return ends

    async def _is_listed(self, certificate: x509.Certificate) -> bool:
        return any(
            crl.may_concern(certificate) and crl.lists(certificate.serial_number)
            for crl in await self._crls(certificate.issuer)
        )

    async def _look(self) -> None:
        """Read which CRLs there are, where that has changed."""
        last = await self._store.crl(IMPORTED, LAST_ACT)
        if last is None or last.number == self._act:
            return
        heads: dict[int, list[CRLHead]] = {}
        for head in await self._store.crl_heads(IMPORTED):
            if head.octets:
                heads.setdefault(family_at(head.partition), []).append(head)
        self._heads, self._act = heads, last.number
        there = {head.partition for family in heads.values() for head in family}
        for place in self._kept.keys() - there:
            self._kept.pop(place, None)

    async def _crls(self, issuer: x509.Name) -> list[ImportedCRL]:
        """The CRLs of all issuers with that name."""
        if not self._heads:
            return []
        found = [await self._crl(head) for head in self._heads.get(family_of(issuer), ())]
        return [crl for crl in found if crl is not None and crl.issuer == issuer]

    async def _crl(self, head: CRLHead) -> ImportedCRL | None:
        """The CRL at a place; None where it was taken away meanwhile."""
        crl = self._at_hand(head)
        if crl is not None:
            return crl
        async with self._reading:
            crl = self._at_hand(head)
            if crl is not None:
                return crl
            stored = await self._store.crl(IMPORTED, head.partition)
            if stored is None or not stored.der:
                return None
            crl = self._kept[head.partition] = await asyncio.to_thread(_read, stored)
            self._kept.move_to_end(head.partition)
            octets = sum(one.octets for one in self._kept.values())
            while octets > MOST_OCTETS and len(self._kept) > 1:
                octets -= self._kept.popitem(last=False)[1].octets
            return crl

    def _at_hand(self, head: CRLHead) -> ImportedCRL | None:
        crl = self._kept.get(head.partition)
        if crl is None or crl.act < head.number:
            return None
        self._kept.move_to_end(head.partition)
        return crl


def _read(stored: StoredCRL) -> ImportedCRL:
    return ImportedCRL(stored).prepare()


async def _is_signed(crl: ImportedCRL, issuer: x509.Certificate) -> bool:
    if crl.needs_verification(issuer):
        return await asyncio.to_thread(crl.is_signed_by, issuer)
    return crl.is_signed_by(issuer)
