"""End entities, and how they prove to be themselves: by name, by certificate, by password."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
import uuid
from typing import TYPE_CHECKING

from cmpd.clm.attempts import Attempts
from cmpd.clm.identities import identities_of
from cmpd.clm.model import Entity, EntityState
from cmpd.clm.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store.base import Store


UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DECOY = "decoy"
"""What the secret is sealed for that stands where there is none."""


class Credentials:
    """Looks end entities up, and compares passwords."""

    def __init__(self, store: Store, master_key: MasterKey, clock: Callable[[], float], decoy: bytes) -> None:
        """`decoy`: random octets that stand for the password of whoever has none."""
        self._store = store
        self._master_key = master_key
        self._clock = clock
        self._decoy = decoy
        self._sealed_decoy = master_key.seal(decoy, DECOY)
        self.throttle = Throttle(time.monotonic)
        """Of those who fail to prove a password, by MAC or by HTTP Basic authentication."""
        self.attempts = Attempts(store, self.throttle, clock, time.monotonic)
        """Shares with other processes what the throttle counts; its `run` belongs into a task."""

    async def entity(self, entity_id: str) -> Entity | None:
        """The end entity with that UUID text, in whatever state."""
        return await self._store.entity(entity_id)

    @staticmethod
    def name_of(reference: bytes) -> str:
        """What failures under a reference are counted by (`throttle`): an end entity's UUID is one name,
        in whatever case it is spelled."""
        return uuid_of(reference) or f"reference {reference.hex()}"

    async def entity_by_reference(self, reference: bytes) -> Entity | None:
        """The end entity that a senderKID names by a further reference, not by its UUID."""
        return await self._store.entity_by_reference(reference)

    async def entity_of_certificate(self, certificate: x509.Certificate) -> Entity | None:
        """The registered end entity that a vendor certificate names: by fingerprint, subject or
        X.520 serialNumber, in this order."""
        for kind, value in identities_of(certificate):
            entity = await self._store.entity_by_identity(kind, value)
            if entity is not None:
                return entity
        return None

    async def entity_of_subject(self, subject: x509.Name) -> Entity | None:
        """The registered end entity with that subject; whom an RA asks for."""
        return await self._store.entity_by_identity("subject", subject.rfc4514_string())

    def shared_secret(self, entity: Entity | None) -> tuple[bytes, bool]:
        """(secret, usable). Where there is none to use, a decoy of this process that nothing matches,
        so that the caller does the same work whether the entity is unknown, blocked or well."""
        usable = (
            entity is not None
            and entity.password is not None
            and entity.state is EntityState.ACTIVE
            and (entity.password_expires is None or int(self._clock()) < entity.password_expires)
        )
        if not usable or entity is None or entity.password is None:
            return self._master_key.open(self._sealed_decoy, DECOY), False
        return self._master_key.open(entity.password, f"entity:{entity.id}"), True

    async def check_password(self, entity_id: str, password: bytes) -> bool:
        """Whether `password` is the entity's, in the same time whatever is wrong."""
        try:
            canonical = str(uuid.UUID(entity_id))
        except ValueError:
            canonical = str(uuid.UUID(int=0))
        secret, usable = self.shared_secret(await self._store.entity(canonical))
        given = hashlib.sha256(self._decoy + password).digest()
        wanted = hashlib.sha256(self._decoy + secret).digest()
        return hmac.compare_digest(given, wanted) and usable


def uuid_of(reference: bytes) -> str | None:
    """The canonical text of a reference that is a UUID in ASCII (RFC 9562, section 4)."""
    return reference.decode("ascii").lower() if UUID.fullmatch(reference) else None
