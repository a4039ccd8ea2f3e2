"""What a CA needs as time passes: fresh CRLs, and CMP signers renewed before they end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

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
REMEMBERED = 0.25
"""Seconds a CRL is served from memory before the store is asked whether another process made one."""
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
        self._stale: dict[str, dict[int, object]] = {}
        """CA → serial numbers of certificates whose CRL does not tell their state yet, each with a mark of
        the change that made it so."""
        self._owed: set[int] = set()
        """What was owed at the last look, by `OwedCRL.number`."""
        self._wake = asyncio.Event()
        self._making = asyncio.Lock()
        self._rested = 0.0
        """When, by the monotonic clock, the next CRL may be made."""
        self._memory: dict[tuple[str, int], tuple[float, StoredCRL | None]] = {}
        self._reading = asyncio.Lock()
        """For all who ask at once there is one read."""

    def committed(self, unit: Iterable[Change]) -> None:
        """Take note of what was committed: where it changes what is revoked, a CRL is due."""
        for change in unit:
            if isinstance(change, SetCertificateState) and change.is_on_crl:
                self._stale.setdefault(change.ca, {})[change.serial] = object()
                self._wake.set()

    async def crl(self, authority: Authority, partition: int) -> StoredCRL | None:
        """A CRL of the CA, with all that this process revoked so far. Raises StoreError."""
        if self._left_out(authority, partition):
            await self._make_current(authority, partition)
        async with self._reading:
            return await self._read(authority, partition)

    async def _read(self, authority: Authority, partition: int) -> StoredCRL | None:
        place = authority.id, partition
        read, known = self._memory.get(place, (float("-inf"), None))
        now = time.monotonic()
        if now - read < REMEMBERED:
            return known
        crl = await self._store.crl(*place)
        if crl is None and authority.not_after > self._clock():  # of a new CA, before the calendar comes by
            crl = await refresh_crl(
                self._store,
                self._catalog.issuer_of(authority),
                partition,
                int(self._clock()),
                only_if_due=True,
            )
        if known is not None and crl is not None and known.number == crl.number:
            crl = known  # not its double: those who read slowly may hold megabytes for long
        self._memory[place] = (now, crl)
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
            await self._attempt(self._make_all_current)
            await self._attempt(self._make_what_is_owed)
            if time.monotonic() >= calendar:
                calendar = time.monotonic() + SCHEDULE
                await self._attempt(self.look_at_calendar)

    async def _make_all_current(self) -> None:
        for ca, serials in tuple(self._stale.items()):
            authority = await self._catalog.authority(ca)
            if authority is None:
                del self._stale[ca]
                continue
            for partition in {authority.points.partition_of(serial) for serial in serials}:
                await self._make_current(authority, partition)

    async def _make_what_is_owed(self) -> None:
        """Make the CRLs that others owe and have not made since the last look: they may be gone."""
        owed = await self._store.owed()
        left, self._owed = [one for one in owed if one.number in self._owed], {one.number for one in owed}
        places = {(one.ca, one.serial) for one in left}
        for ca in {ca for ca, _ in places}:
            authority = await self._catalog.authority(ca)
            if authority is None or authority.not_after <= self._clock():
                continue
            serials = (serial for of, serial in places if of == ca)
            for partition in {authority.points.partition_of(serial) for serial in serials}:
                issuer, now = self._catalog.issuer_of(authority), int(self._clock())
                await refresh_crl(self._store, issuer, partition, now, only_if_owed=True)
                self._memory.pop((ca, partition), None)

    def _left_out(self, authority: Authority, partition: int) -> dict[int, object]:
        serials = authority.points.serials(partition)
        stale = self._stale.get(authority.id, {})
        return {serial: mark for serial, mark in stale.items() if serial in serials}

    async def _make_current(self, authority: Authority, partition: int) -> None:
        """Make the CRL that revocations ask for; whoever waits for the same one makes no second."""
        async with self._making:
            if not self._left_out(authority, partition):
                return
            await asyncio.sleep(max(0.0, self._rested - time.monotonic()))
            left_out = self._left_out(authority, partition)
            began = time.monotonic()
            await refresh_crl(self._store, self._catalog.issuer_of(authority), partition, int(self._clock()))
            # Off the list only now, or others would be served the old one meanwhile; and what was changed
            # while the CRL was made needs another one.
            stale = self._stale[authority.id]
            for serial, mark in left_out.items():
                if stale[serial] is mark:
                    del stale[serial]
            self._memory.pop((authority.id, partition), None)
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
                    self._memory.pop((authority.id, partition), None)
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
