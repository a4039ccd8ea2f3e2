"""A store, opened for one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cmpd.clm.store import open_store
from cmpd.clm.store.base import Store

T = TypeVar("T")


def in_store(address: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do the work with the store of this path or URL open."""

    async def opened() -> T:
        store = open_store(address)
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())
