"""Whether requests can be served now: the store takes records, and there is a CA to issue with."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from cmpd.clm.secrets import SecretError
from cmpd.clm.store.base import StoreError

if TYPE_CHECKING:
    from cmpd.clm.client import Client

VALID = 1.0
"""Seconds for which an answer holds, so that probing often costs the store nothing."""
PATIENCE = 3.0
"""Seconds after which a store that does not answer is taken for one that is gone."""


class Readiness:
    """Asks the lifecycle, and remembers the answer for a moment."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = float("-inf")
        self._obstacles: tuple[str, ...] = ()
        self._asking = asyncio.Lock()

    async def obstacles(self) -> tuple[str, ...]:
        """What keeps requests from being served, in words; empty where nothing does."""
        async with self._asking:
            if time.monotonic() - self._asked > VALID:
                self._obstacles = tuple(await self._look())
                self._asked = time.monotonic()
            return self._obstacles

    async def _look(self) -> list[str]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._client.store.check()
                authorities = await self._client.authorities()
        except TimeoutError:
            return [f"the store does not answer within {PATIENCE:.0f} seconds"]
        except (StoreError, SecretError) as error:
            return [str(error)]
        now = self._client.now()
        if not any(one.not_after > now for one in authorities):
            return ["there is no CA whose certificate is valid"]
        return []
