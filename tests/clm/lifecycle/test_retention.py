"""What ended long ago is archived; what ended lately, or not yet, stays."""

from __future__ import annotations

from cmpd.clm.lifecycle.retention import archive_ended
from cmpd.clm.model import Act
from cmpd.clm.store.base import CertificateQuery, Store
from tests.clm.authorities.test_crl import certificate
from tests.clm.conftest import PKI

DAY = 86400


def test_certificates_that_ended_longer_ago_than_asked_are_archived(pki: PKI) -> None:
    old = certificate(pki)
    pki.now = old.not_after + 30 * DAY

    async def work(store: Store) -> tuple[int, int, list[int], list[int]]:
        act = Act("operator:test", pki.now)
        early = await archive_ended(store, act, 31 * DAY)
        late = await archive_ended(store, act, 29 * DAY)
        kept = [one.serial async for one in store.certificates(CertificateQuery())]
        archived = [one.serial async for one in store.archived_certificates()]
        return early, late, kept, archived

    early, late, kept, archived = pki.run(work)
    assert (early, late) == (0, 1)
    assert archived == [old.serial]
    assert old.serial not in kept
    assert kept
