"""What happens because time passed: certificates never confirmed are taken back, old transactions go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from cmpd.clm.model import CertificateState, Transaction, TransactionState
from cmpd.clm.store.base import Conflict
from cmpd.clm.store.changes import AdvanceTransaction, Change

if TYPE_CHECKING:
    from cmpd.clm.client import Client

BATCH = 200
"""Transactions handled between two looks at the rest of the world."""


async def expire_transactions(client: Client, memory: int) -> int:
    """Close open transactions whose time is over; what they issued unconfirmed is rejected
    (RFC 9810, section 5.1.1.2). `memory`: seconds a closed transaction is remembered. Gives how many."""
    now = client.now()
    closed = 0
    while True:
        overdue = await client.store.expired_transactions(now, BATCH)
        # At once, so that they share a commit: clients may leave them faster than one by one is closed.
        done = sum(await asyncio.gather(*(_close(client, one, now + memory) for one in overdue)))
        closed += done
        if len(overdue) < BATCH or not done:
            return closed


async def _close(client: Client, transaction: Transaction, until: int) -> bool:
    """Whether it was closed: its message may have come after all, or another process been faster."""
    try:
        await client.commit(await _closing(client, transaction, until))
    except Conflict:
        return False
    return True


async def _closing(client: Client, transaction: Transaction, until: int) -> list[Change]:
    closed = TransactionState.CLOSED
    requests = transaction.requests_in(closed)
    unit: list[Change] = [
        AdvanceTransaction(
            replace(transaction, state=closed, expires=until, requests=requests, message=None),
            expected=transaction.state,
            expected_nonce=transaction.server_nonce,
        )
    ]
    if transaction.state is TransactionState.CONFIRMING and transaction.certificate is not None:
        record = await client.issued.certificate(*transaction.certificate)
        if record is not None and record.state is CertificateState.UNCONFIRMED:
            unit += await client.certificates.reject(record, why="not confirmed in time", actor="cmpd")
    else:
        unit.append(client.audited("cmpd", "request.expire", f"transaction:{transaction.id.hex()}"))
    return unit


async def forget_transactions(client: Client) -> int:
    """Delete closed transactions nobody may ask about any more. Gives how many."""
    forgotten = 0
    while True:
        found = await client.store.forget_transactions(client.now(), BATCH)
        forgotten += found
        if found < BATCH:
            return forgotten
