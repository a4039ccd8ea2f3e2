"""Messages of one transaction that may ask an issuer for a certificate, one after the other within a process.

Copies of a request that come at the same moment would each have a certificate issued, and all but one of them
be thrown away: the second finds the first one's response instead. Between processes the store decides, before
the issuer is asked where that matters (`cmpd.clm.issuance.issuer.Issuer.claims`), else when the certificate
is committed.
"""

from __future__ import annotations

import asyncio


class Turns:
    """Who is being answered, by transactionID."""

    def __init__(self) -> None:
        self._taken: dict[bytes, asyncio.Event | None] = {}
        """With what those who wait are told; None: nobody waits."""

    async def take(self, transaction_id: bytes) -> None:
        """Wait until nobody else has the turn, and have it: until `give`."""
        while transaction_id in self._taken:
            done = self._taken[transaction_id] or asyncio.Event()
            self._taken[transaction_id] = done
            await done.wait()
        self._taken[transaction_id] = None

    def give(self, transaction_id: bytes) -> None:
        """Let the next one go on."""
        done = self._taken.pop(transaction_id)
        if done is not None:
            done.set()
