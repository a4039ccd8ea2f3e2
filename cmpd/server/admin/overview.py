"""What `cmpd status` shows, gathered from the store and the listeners.

Rates come from the audit, which every worker and every node writes: no daemon has to be asked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cmpd.clm.configuration.catalog import Catalog
from cmpd.clm.imported_crls.revocations import Revocations
from cmpd.clm.model import TransactionState
from cmpd.clm.store.base import StoreError
from cmpd.config import split_address

if TYPE_CHECKING:
    from cmpd.clm.model import AuditEvent
    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store.base import Store
    from cmpd.config import Config

MINUTES = 30
LATEST = 20_000
"""Audit records looked at, of each chain."""
SOON = 30 * 86_400
REASONS = 5
MOST = 100_000
"""Rows counted one by one: some tenths of a second."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the server at a moment."""

    time: int
    listeners: list[tuple[str, str]]
    """(address, whether it answers)."""
    workers: int
    """As many are configured here."""
    alive: int
    """As many processes serve the store now; with PostgreSQL, those of all nodes."""
    store: str
    authorities: list[dict[str, Any]]
    imported_crls: dict[str, int]
    """Issuer → when the first of its imported CRLs is out of date."""
    certificates: dict[str, int]
    """By state."""
    expiring: int
    """Active ones that end within 30 days; counted, as `waiting`, up to MOST."""
    waiting: int
    issued: list[int]
    """By minute, the latest last; likewise the next three."""
    confirmed: list[int]
    revoked: list[int]
    refused: list[int]
    reasons: list[tuple[str, int]]
    """The most frequent refusals of these minutes."""

    @property
    def ready(self) -> bool:
        """Whether every listener answers, and it is cmpd that serves."""
        return self.alive > 0 and all(state == "answers" for _, state in self.listeners)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ready": self.ready}


async def overview(store: Store, config: Config, master_key: MasterKey, now: int) -> Overview:
    """Look at everything once."""
    catalog = Catalog(store, master_key, lambda: now)
    recent = await _recent(store, now - 60 * MINUTES)
    return Overview(
        time=now,
        listeners=[(one.address, await _answers(one.address)) for one in config.listen],
        workers=config.workers,
        alive=await store.serving_processes(),
        store=await _store_state(store, config),
        authorities=[
            {
                "name": one.name,
                "not_after": one.not_after,
                "signer_not_after": one.signer.not_after,
                "crl": await _crl(store, one.id),
            }
            for one in await catalog.authorities()
        ],
        imported_crls=await Revocations(store).next_updates(),
        certificates=await store.count_certificates("state"),
        expiring=await store.count_expiring(now, now + SOON, MOST),
        waiting=await store.count_transactions(TransactionState.WAITING, MOST),
        issued=_by_minute(recent, now, "certificate.issue"),
        confirmed=_by_minute(recent, now, "certificate.confirm"),
        revoked=_by_minute(recent, now, "certificate.revoke"),
        refused=_by_minute(recent, now, "request.refuse"),
        reasons=_reasons(recent),
    )


async def _answers(address: str) -> str:
    host, port = split_address(address)
    try:
        if address.startswith("unix:"):
            _, writer = await asyncio.wait_for(asyncio.open_unix_connection(host), 2)
        else:
            target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what is listened at
            _, writer = await asyncio.wait_for(asyncio.open_connection(target, port), 2)
    except (OSError, TimeoutError):
        return "does not answer"
    writer.close()
    return "answers"


async def _store_state(store: Store, config: Config) -> str:
    kind = "PostgreSQL" if "://" in config.store else f"SQLite {config.store}"
    try:
        await store.check()
    except StoreError as error:
        return f"{kind}: {error}"
    return f"{kind}, reads and writes"


async def _crl(store: Store, ca: str) -> dict[str, int] | None:
    """The CRL that ends first."""
    crl = min(await store.crl_heads(ca), key=lambda head: head.next_update, default=None)
    if crl is None:
        return None
    return {"number": crl.number, "this_update": crl.this_update, "next_update": crl.next_update}


async def _recent(store: Store, since: int) -> list[AuditEvent]:
    heads = await store.audit_heads()
    return [
        record.event
        for chain, head in heads.items()
        async for record in store.audit(max(0, head.sequence - LATEST), chain)
        if record.event.time > since
    ]


def _by_minute(events: list[AuditEvent], now: int, action: str) -> list[int]:
    counts = [0] * MINUTES
    for event in events:
        if event.action == action:
            back = min(MINUTES - 1, max(0, (now - event.time) // 60))
            counts[MINUTES - 1 - back] += _times(event)
    return counts


def _reasons(events: list[AuditEvent]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for event in events:
        if event.action == "request.refuse":
            counts[event.outcome] += _times(event)
    return counts.most_common(REASONS)


def _times(event: AuditEvent) -> int:
    """How many acts an event stands for: in a flood, also for those left out (`AuditRateLimit`)."""
    return 1 + int(event.detail.get("left_out", 0))
