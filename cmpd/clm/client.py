"""The one door to the lifecycle: what the protocol may ask of it, under an API client's credentials.

`Client.login` proves the credentials; everything afterwards happens within what that API client may use.
Acts are collected as changes in a unit that the caller commits together with its own, so that a
certificate, the transaction that asked for it and the audit record of both stand or fall together.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cryptography import x509

from cmpd.clm.certificates import Certificates
from cmpd.clm.configuration.catalog import Catalog, ConfigSnapshot
from cmpd.clm.configuration.issued import Issued
from cmpd.clm.entities.audit_rate_limit import AuditRateLimit
from cmpd.clm.entities.credentials import Credentials, uuid_of
from cmpd.clm.entities.transaction_quota import TransactionQuota
from cmpd.clm.imported_crls.revocations import Revocations
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.issuance.issuer import IssuerOf, issuer_of
from cmpd.clm.lifecycle.upkeep import Upkeep
from cmpd.clm.model import Act, Entity, Identity, StoredCRL, Transaction
from cmpd.clm.pkix.identities import FINGERPRINT, SUBJECT, fingerprint_of
from cmpd.clm.pkix.names import rfc4514_text
from cmpd.clm.store.changes import (
    AddEntity,
    Audit,
    Change,
    Unit,
    UsePassword,
    audited,
)

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store.base import RequestState, Store


class LoginRefused(Exception):
    """The API client's credentials are wrong, or it is disabled."""


class InvalidIdentifier(Exception):
    """No policy is served under that identifier; which of the reasons applies is for the log only."""


class Client:
    """The lifecycle as one API client may use it."""

    def __init__(
        self,
        store: Store,
        master_key: MasterKey,
        catalog: Catalog,
        client_id: str,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self.store = store
        self.catalog = catalog
        self.id = client_id
        self.random = random
        self._clock = clock
        self.upkeep = Upkeep(store, master_key, catalog, clock)
        """Keeps CRLs and signers in order; its `run` belongs into a task of the daemon's."""
        self.issued = Issued(store, catalog)
        self.certificates = Certificates(store, catalog, self.now)
        self.revocations = Revocations(store)
        self.credentials = Credentials(store, master_key, clock, random(16))
        self.quota = TransactionQuota(store)
        """Whether another transaction may begin; its `look` belongs into a task of the daemon's."""
        self._samples = AuditRateLimit(time.monotonic)

    @classmethod
    async def login(
        cls,
        store: Store,
        master_key: MasterKey,
        client_id: str,
        secret: str,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        issuer_of: IssuerOf = issuer_of,
    ) -> Client:
        """Log in as API client `client_id`. `issuer_of`: who issues for a CA. Raises LoginRefused, whatever
        was wrong with the same words."""
        catalog = Catalog(store, master_key, clock, issuer_of)
        record = await catalog.client(client_id)
        if record is None or not record.accepts(secret, int(clock())):
            raise LoginRefused(
                f"API client {client_id!r}: unknown, disabled, or the secret is wrong; "
                f"'cmpd client list' shows the ids, 'cmpd client rotate {client_id}' makes a new secret"
            )
        return cls(store, master_key, catalog, client_id, clock=clock, random=random)

    def now(self) -> int:
        """The clock, in whole seconds since the epoch."""
        return int(self._clock())

    # Policies

    def default_policy(self, snapshot: ConfigSnapshot) -> CompiledPolicy:
        """The API client's default policy. Raises InvalidIdentifier where it has none."""
        record = snapshot.clients.get(self.id)
        if record is None or record.default_policy is None:
            raise InvalidIdentifier("the API client has no default policy")
        return self._served(snapshot, record.default_policy)

    def policy(self, snapshot: ConfigSnapshot, identifier: str) -> CompiledPolicy:
        """The policy with that UUID (RFC 4122 text). Raises InvalidIdentifier."""
        try:
            canonical = str(uuid.UUID(identifier))
        except ValueError:
            raise InvalidIdentifier("not a UUID") from None
        if canonical != identifier.lower():
            raise InvalidIdentifier("not a UUID in its usual form")
        return self._served(snapshot, canonical)

    def policy_by_name(self, snapshot: ConfigSnapshot, name: str) -> CompiledPolicy:
        """The policy with that name. Raises InvalidIdentifier."""
        named = (compiled for compiled in snapshot.policies.values() if compiled.policy.name == name)
        compiled = next(named, None)
        if compiled is None:
            raise InvalidIdentifier(f"no policy is named {name!r}")
        return self._served(snapshot, compiled.policy.id)

    def _served(self, snapshot: ConfigSnapshot, policy_id: str) -> CompiledPolicy:
        record = snapshot.clients.get(self.id)
        if record is None or not record.may_use(policy_id):
            raise InvalidIdentifier(f"API client {self.id!r} may not use policy {policy_id}")
        compiled = snapshot.policies.get(policy_id)
        if compiled is None:
            raise InvalidIdentifier(f"no policy {policy_id}")
        return compiled

    async def authorities(self) -> list[Authority]:
        """All CAs that can be used now."""
        return await self.catalog.authorities()

    # Entities

    def register(self, certificate: x509.Certificate, policy_id: str) -> tuple[Entity, Unit]:
        """A new end entity for the holder of a vendor certificate (a policy's auto_register)."""
        identity = Identity(FINGERPRINT, fingerprint_of(certificate))
        return self._register(rfc4514_text(certificate.subject), identity, policy_id)

    def register_subject(self, subject: x509.Name, policy_id: str) -> tuple[Entity, Unit]:
        """A new end entity for the device of that subject, whom an RA speaks for (a policy's register)."""
        name = rfc4514_text(subject)
        return self._register(name, Identity(SUBJECT, name), policy_id)

    def _register(self, name: str, identity: Identity, policy_id: str) -> tuple[Entity, Unit]:
        entity = Entity(
            id=str(uuid.UUID(bytes=self.random(16), version=4)),
            name=name,
            policies=(policy_id,),
            identities=(identity,),
            created=self.now(),
        )
        actor = f"client:{self.id}"
        event = self.audited(actor, "entity.register", f"entity:{entity.id}", name=entity.name)
        return entity, (AddEntity(entity), event)

    def use_password(self, entity: Entity) -> Unit:
        """Count the begin of a transaction against a password with a bounded number of uses."""
        return () if entity.password_uses is None else (UsePassword(entity.id),)

    # Transactions, audit, commit

    async def request_state(
        self, transaction_id: bytes, reference: bytes
    ) -> tuple[ConfigSnapshot, RequestState]:
        """What a request begins with, by one look into the store: the configuration, the transaction of
        that id with its certificate, and the end entity whose UUID in ASCII the reference is."""
        request_state = await self.store.request_state(transaction_id, uuid_of(reference) or "")
        return await self.catalog.as_of(request_state.counter), request_state

    async def transaction(self, transaction_id: bytes) -> Transaction | None:
        return await self.store.transaction(transaction_id)

    def audited(self, actor: str, action: str, subject: str, outcome: str = "ok", /, **detail: Any) -> Audit:
        """The change that writes an act down, as of now."""
        return audited(Act(actor, self.now()), action, subject, outcome, **detail)

    async def audit_sample(
        self, actor: str, action: str, subject: str, outcome: str, /, **detail: Any
    ) -> None:
        """Write down what was refused to somebody who may ask for it without end, within what such may make
        this server write (`cmpd.clm.entities.audit_rate_limit`)."""
        left_out = self._samples.take()
        if left_out is None:
            return
        if left_out:
            detail["left_out"] = left_out
        await self.commit((self.audited(actor, action, subject, outcome, **detail),))

    async def commit(self, unit: Iterable[Change]) -> None:
        """Durable when it returns. Raises Conflict, StoreUnavailable (`cmpd.clm.store.base`)."""
        changes = tuple(unit)
        await self.store.commit(changes)
        self.upkeep.committed(changes)

    async def crl(self, authority: Authority, partition: int) -> StoredCRL | None:
        """A CRL of the CA, with all that was revoked through this client."""
        return await self.upkeep.crl(authority, partition)

    async def publication(self, kind: str, name: str, partition: int | None) -> tuple[bytes, int] | None:
        """(DER, when it was made) of the certificate (``ca``) or a CRL (``crl``) of the CA of that name."""
        authority = next(
            (one for one in await self.catalog.authorities() if name in (one.id, one.name)), None
        )
        if authority is None:
            return None
        if kind == "ca":
            return (authority.certificate_der, authority.not_before) if partition is None else None
        published = authority.points.published(partition)
        crl = None if published is None else await self.crl(authority, published)
        return (crl.der, crl.this_update) if crl is not None else None
