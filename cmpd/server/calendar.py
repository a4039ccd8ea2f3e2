"""A look at the calendar before the daemon serves: with all its CAs out of their time it could do nothing."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from cmpd.clm.catalog import Catalog
from cmpd.clm.lifetimes import faults_of_some
from cmpd.clm.secrets import MasterKey
from cmpd.clm.store import open_store

if TYPE_CHECKING:
    from cmpd.config import Config

log = logging.getLogger(__name__)


async def look(config: Config) -> None:
    """Log which CAs of the served policies are out of their time.

    Raises OutOfTime where all of them are, and what else keeps the store from being read: StoreError,
    SecretError.
    """
    master_key = MasterKey.load(config.master_key)
    store = open_store(config.store, synchronous=config.synchronous, node=config.node)
    await store.open()
    try:
        catalog = Catalog(store, master_key, time.time)
        client = await catalog.client(config.client.id)
        served = [one for one in await catalog.policies() if client and client.may_use(one.policy.id)]
        for fault in faults_of_some((one.authority for one in served), int(time.time())):
            log.error("%s", fault)
    finally:
        await store.close()
