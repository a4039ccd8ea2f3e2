"""What a CA needs as time passes: fresh CRLs, and CMP signers renewed before they end."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from operator import itemgetter

from cmpd.clm.authorities.authority import Authority, Signer
from cmpd.clm.authorities.chains import CAProblem
from cmpd.clm.authorities.crl import is_due
from cmpd.clm.authorities.key_ref import KeyUnavailable
from cmpd.clm.configuration.catalog import Catalog
from cmpd.clm.issuance.crl_refresh import is_behind, refresh_crl
from cmpd.clm.issuance.issuer import IssuerUnavailable
from cmpd.clm.lifecycle.ca import CAContext, renew_signer
from cmpd.clm.model import Act, ObjectKind, StoredCRL
from cmpd.clm.secrets import MasterKey, SecretError
from cmpd.clm.store.base import Conflict, Store, StoreError
from cmpd.clm.store.changes import Change, SetCertificateState
from cmpd.times import seconds_of

log = logging.getLogger(__name__)

SCHEDULE = 60.0
"""Seconds between two looks at what the calendar asks for."""
OWED = 2.0
"""Seconds between two looks at what others revoked and no CRL says yet."""
REST = 2.0
"""After a CRL, the next one waits this many times as long as it took to make."""


class Upkeep:
    """Keeps the CRLs and signers of all CAs in order, in the background of one process."""

    def __init__(
        self, store: Store, master_key: MasterKey, catalog: Catalog, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._master_key = master_key
        self._catalog = catalog
        self._clock = clock
        self._wake = asyncio.Event()
        self._making = asyncio.Lock()
        self._rested = 0.0
        """When, by the monotonic clock, the next CRL may be made."""
        self._memory: dict[tuple[str, int], StoredCRL] = {}
        self._reading = asyncio.Lock()
        """For all who ask at once there is one read."""

    def committed(self, unit: Iterable[Change]) -> None:
        """Take note of what was committed: where it changes what is revoked, a CRL is due."""
        for change in unit:
            if isinstance(change, SetCertificateState) and change.is_on_crl:
                self._wake.set()

    async def crl(self, authority: Authority, partition: int) -> StoredCRL | None:
        """The CRL of the CA, with all that was revoked by now, whichever process did: no reader sees an older
        one after a newer one. Raises StoreError, KeyUnavailable, IssuerUnavailable."""
        number, is_owed = await self._store.crl_number(
            authority.id, partition, authority.points.serials(partition)
        )
        if is_owed:
            await self._make_current(authority, partition)
        elif number is None and authority.not_after > self._clock():
            # Of a new CA, before the calendar comes by.
            issuer, now = self._catalog.issuer_of(authority), int(self._clock())
            await refresh_crl(self._store, issuer, partition, now, only_if_due=True)
        place = authority.id, partition
        known = self._memory.get(place)
        if known is not None and not is_owed and known.number == number:
            return known
        async with self._reading:
            return await self._read(place)

    async def _read(self, place: tuple[str, int]) -> StoredCRL | None:
        """The latest; for all who read it at once, and later slowly, one copy."""
        known = self._memory.get(place)
        authority = await self._catalog.authority(place[0])
        if known is not None and authority is not None:
            number, _ = await self._store.crl_number(*place, authority.points.serials(place[1]))
            if number == known.number:
                return known
        crl = await self._store.crl(*place)
        if crl is not None:
            self._memory[place] = crl
        return crl

    async def run(self) -> None:
        """Work until cancelled; a store that fails is asked again."""
        await self._attempt(self._catch_up)
        calendar = time.monotonic() + SCHEDULE
        while True:
            # Not wait_for, which in Python 3.11 loses a cancellation that meets the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(OWED, max(0.0, calendar - time.monotonic()))):
                    await self._wake.wait()
            self._wake.clear()
            await self._attempt(self._make_what_is_owed)
            if time.monotonic() >= calendar:
                calendar = time.monotonic() + SCHEDULE
                await self._attempt(self.look_at_calendar)

    async def _make_what_is_owed(self) -> None:
        """Make the CRLs that revocations ask for, whichever process they were made by: it may be gone."""
        for ca, serials in itertools.groupby(
            sorted({(one.ca, one.serial) for one in await self._store.owed()}), key=itemgetter(0)
        ):
            authority = await self._catalog.authority(ca)
            if authority is None or authority.not_after <= self._clock():
                continue
            for partition in {authority.points.partition_of(serial) for _, serial in serials}:
                await self._make_current(authority, partition)

    async def _make_current(self, authority: Authority, partition: int) -> None:
        """Make the CRL that revocations ask for; whoever waits for the same one makes no second."""
        async with self._making:
            serials = authority.points.serials(partition)
            if not await self._store.owed(authority.id, serials):
                return
            await asyncio.sleep(max(0.0, self._rested - time.monotonic()))
            began = time.monotonic()
            issuer, now = self._catalog.issuer_of(authority), int(self._clock())
            await refresh_crl(self._store, issuer, partition, now, only_if_owed=True)
            ended = time.monotonic()
            self._rested = ended + REST * (ended - began)

    async def look_at_calendar(self) -> None:
        """Renew the CRLs and signers that are due."""
        now = int(self._clock())
        for authority in await self._catalog.authorities():
            if not authority.not_before <= now < authority.not_after:
                continue
            heads = {head.partition: head for head in await self._store.crl_heads(authority.id)}
            for partition in range(authority.crl_partitions):
                if is_due(heads.get(partition), authority, now):
                    await refresh_crl(
                        self._store, self._catalog.issuer_of(authority), partition, now, only_if_due=True
                    )
            await self._renew_signers(authority, now)

    async def _catch_up(self) -> None:
        """After a start: what a process that ended in the middle left undone."""
        await self.look_at_calendar()
        now = int(self._clock())
        for authority in await self._catalog.authorities():
            for partition in range(authority.crl_partitions):
                if authority.not_after > now and await is_behind(self._store, authority, partition):
                    await refresh_crl(self._store, self._catalog.issuer_of(authority), partition, now)

    async def _renew_signers(self, authority: Authority, now: int) -> None:
        kga_wanted = any(
            compiled.policy.central_key_generation and compiled.authority.id == authority.id
            for compiled in await self._catalog.policies()
        )
        for which, signer, wanted in (
            ("signer", authority.signer, True),
            ("kga", authority.kga, kga_wanted),
        ):
            if wanted and (signer is None or is_spent(signer, authority, now)):
                await self._renew_signer(authority, which, now)

    async def _renew_signer(self, authority: Authority, which: str, now: int) -> None:
        stored = await self._store.object(ObjectKind.CA, authority.id)
        if stored is None:
            return
        maker = CAContext(Act("cmpd", now), self._master_key)
        try:
            made = await renew_signer(maker, stored, authority, which)
            await self._store.commit(made.unit)
        except Conflict:
            log.debug("another process renewed the %s of CA %s", which, authority.name)
        except CAProblem as problem:
            log.error("the %s of CA %s cannot be renewed: %s", which, authority.name, problem)
        else:
            log.info("renewed the %s of CA %s", which, authority.name)

    async def _attempt(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except (StoreError, SecretError, KeyUnavailable, IssuerUnavailable) as error:
            log.warning("the upkeep of the CAs waits: %s", error)
            await asyncio.sleep(1)
            self._wake.set()


def is_spent(signer: Signer, authority: Authority, now: int) -> bool:
    """Whether a signer is in the last quarter of its life, and its CA would outlive it; or has not begun,
    as one that was made while the clock was ahead."""
    begin = seconds_of(signer.certificate.not_valid_before_utc)
    return now < begin or (
        now >= signer.not_after - (signer.not_after - begin) // 4 and authority.not_after > signer.not_after
    )
