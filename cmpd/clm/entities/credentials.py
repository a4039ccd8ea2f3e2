"""End entities, and how they prove to be themselves: by name, by certificate, by password."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING

from cmpd.clm.entities.attempts import Attempts
from cmpd.clm.entities.entity_acts import password_context
from cmpd.clm.entities.throttle import Throttle
from cmpd.clm.model import Entity, EntityState
from cmpd.clm.pkix.identities import FINGERPRINT, SUBJECT, keys_of
from cmpd.clm.pkix.names import comparison_key
from cmpd.clm.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from cmpd.clm.documents.policy import Policy
    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store.base import Store

log = logging.getLogger(__name__)

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
        self._told: dict[str, bytes] = {}
        """By entity: the sealed password that was said to be unreadable."""
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

    async def entity_of_certificate(
        self, certificate: x509.Certificate, anchor: bytes, policy: Policy
    ) -> Entity | None:
        """The registered end entity that a vendor certificate names: by fingerprint, subject or X.520
        serialNumber, in this order. `anchor`: DER of the trust anchor its path ends at, under `policy`.

        A subject or serialNumber says nothing without who vouches for it: another vendor may use the same.
        So it names whom it is registered for with that very anchor; without an anchor, whom it is registered
        for and who may use the policy, where the policy has this anchor alone. Where it would be nobody, it
        is a blocked entity that has it without an anchor, under whatever policy: nobody is to register anew
        because a policy does not tell which vendor's device was blocked.
        """
        bound = hashlib.sha256(anchor).hexdigest()
        alone = set(policy.trust_anchors) == {anchor}
        blocked: Entity | None = None
        for kind, key in keys_of(certificate):
            entity = await self._store.entity_by_identity(kind, key, "" if kind == FINGERPRINT else bound)
            if entity is not None:
                return entity
            implied = None if kind == FINGERPRINT else await self._store.entity_by_identity(kind, key, "")
            if implied is not None and alone and policy.id in implied.policies:
                return implied
            if implied is not None and implied.state is EntityState.BLOCKED:
                blocked = blocked or implied
        return blocked

    async def entity_of_subject(self, subject: x509.Name) -> Entity | None:
        """The end entity registered for that subject, whom an RA asks for.

        The RA vouches for it, so it does not matter which trust anchor the subject is registered with: a
        block is not got round by registering another. Of several entities it is one that is blocked, or the
        one registered without an anchor, or the first by anchor.
        """
        found = await self._store.entities_by_identity(SUBJECT, comparison_key(subject))
        blocked = (entity for entity in found if entity.state is EntityState.BLOCKED)
        return next(blocked, found[0] if found else None)

    def shared_secret(self, entity: Entity | None) -> tuple[bytes, bool]:
        """(secret, usable). Where there is none to use, a decoy of this process that nothing matches,
        so that the caller does the same work whether the entity is unknown, blocked or well. A password that
        cannot be unsealed is none."""
        usable = (
            entity is not None
            and entity.password is not None
            and entity.state is EntityState.ACTIVE
            and (entity.password_expires is None or int(self._clock()) < entity.password_expires)
        )
        if usable and entity is not None and entity.password is not None:
            try:
                return self._master_key.open(entity.password, password_context(entity.id)), True
            except SecretError as error:
                self._tell(entity, entity.password, error)
                return self._decoy, False
        return self._master_key.open(self._sealed_decoy, DECOY), False

    def _tell(self, entity: Entity, sealed: bytes, error: SecretError) -> None:
        """Log a password that cannot be read; once, as whoever asks under the entity's name may go on."""
        if self._told.get(entity.id) != sealed:
            self._told[entity.id] = sealed
            remedy = f"`cmpd entity password {entity.id}` gives it a new one"
            log.error("end entity %s has no usable password: %s; %s", entity.id, error, remedy)

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
