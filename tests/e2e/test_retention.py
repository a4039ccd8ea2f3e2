"""A daemon archives by itself what ended long ago, where its configuration says so."""

from __future__ import annotations

import time

from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate
from tests.e2e.harness import Daemon
from tests.support.records import a_certificate

DAY = 86400


def test_what_ended_longer_ago_than_configured_is_archived(stopped: Daemon) -> None:
    now = int(time.time())
    old = a_certificate(serial=1, not_after=now - 8 * DAY)
    recent = a_certificate(serial=2, not_after=now - 6 * DAY)

    async def add(store: Store) -> None:
        await store.commit((AddCertificate(old), AddCertificate(recent)))

    async def archived(store: Store) -> list[int]:
        return [one.serial async for one in store.archived_certificates()]

    stopped.with_store(add)
    stopped.environment["CMPD_ARCHIVE_AFTER"] = "7"
    stopped.start()
    deadline = time.monotonic() + 20
    while not stopped.with_store(archived) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert stopped.with_store(archived) == [1]
    assert stopped.stop() == 0
