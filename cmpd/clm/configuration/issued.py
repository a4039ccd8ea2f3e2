"""Looks up what was issued here: by issuer and serial number, by key, and by the certificate itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmpd.clm.authorities.authority import key_id_of

if TYPE_CHECKING:
    from cryptography import x509

    from cmpd.clm.configuration.catalog import Catalog
    from cmpd.clm.model import Certificate, Entity
    from cmpd.clm.store.base import Store

MOST_OF_A_KEY = 64
"""Of those issued for one key, the latest that are looked at."""


class Issued:
    """The certificates of all CAs that were ever served."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def certificate(self, ca: str, serial: int) -> Certificate | None:
        """By the CA's id and the serial number."""
        return await self._store.certificate(ca, serial)

    async def by_issuer(self, issuer: bytes, serial: int) -> Certificate | None:
        """By issuer (DER of its Name) and serial number, over all CAs with that name."""
        for authority in await self._catalog.authorities_by_subject(issuer):
            record = await self._store.certificate(authority.id, serial)
            if record is not None:
                return record
        return None

    async def by_key_id(self, key_id: bytes) -> list[Certificate]:
        """The latest `MOST_OF_A_KEY` for one key, the latest first."""
        return await self._store.certificates_by_key_id(key_id, MOST_OF_A_KEY)

    async def holder_of(
        self, certificate: x509.Certificate, der: bytes, likely: str | None
    ) -> tuple[Certificate, Entity | None] | None:
        """The record of exactly this certificate, whose DER is `der`, and its end entity, if it was issued
        here. `likely`: the id of the CA that is asked for first."""
        serial = certificate.serial_number
        if likely is not None:
            found = await self._store.holder(likely, serial)
            if found is not None and found[0].der == der:
                return found
        for authority in await self._catalog.authorities_by_subject(certificate.issuer.public_bytes()):
            found = await self._store.holder(authority.id, serial)
            if found is not None and found[0].der == der:
                return found
        # Its CA may be served no more, or have a certificate by now that spells its name otherwise.
        for record in await self.by_key_id(key_id_of(certificate)):
            if record.der == der:
                return await self._store.holder(record.ca, serial)
        return None
