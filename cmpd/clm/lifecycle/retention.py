"""What ended long ago leaves the working set: archived in the store, where it no longer costs lookups."""

from __future__ import annotations

from cmpd.clm.model import Act
from cmpd.clm.store.base import CertificateQuery, Store
from cmpd.clm.store.changes import ArchiveCertificate, audited

BATCH = 500
"""Certificates in one commit."""


async def archive_ended(store: Store, act: Act, age: int) -> int:
    """Archive the certificates that ended more than `age` seconds ago; gives how many.

    Raises StoreError; what was archived before stays so."""
    before = act.time - age
    query = CertificateQuery(expires_before=before, limit=BATCH)
    archived = 0
    while True:
        ended = [one async for one in store.certificates(query)]
        if not ended:
            return archived
        event = audited(act, "certificate.archive", "store", certificates=len(ended))
        await store.commit((*(ArchiveCertificate(one.ca, one.serial, before) for one in ended), event))
        archived += len(ended)
