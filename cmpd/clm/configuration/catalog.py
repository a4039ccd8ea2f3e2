"""The configuration as it is served: compiled once, and again when the store's change counter moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography import x509

from cmpd.clm.authorities.authority import Authority, load_authority
from cmpd.clm.configuration.api_client import APIClient
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template, ready_made
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.issuance.issuer import IssuerOf, issuer_of
from cmpd.clm.issuance.reserved import names_of
from cmpd.clm.model import ObjectKind, StoredObject
from cmpd.clm.secrets import MasterKey
from cmpd.clm.settings import DocumentError
from cmpd.clm.store.base import Store


@dataclass(slots=True)
class ConfigSnapshot:
    """All configuration as of one value of the change counter."""

    counter: int
    authorities: dict[str, Authority] = field(default_factory=dict)
    """By id."""
    by_subject: dict[bytes, list[Authority]] = field(default_factory=dict)
    policies: dict[str, CompiledPolicy] = field(default_factory=dict)
    """By id."""
    clients: dict[str, APIClient] = field(default_factory=dict)
    anchors: tuple[x509.Certificate, ...] = ()
    """The trust anchors and certificates of registration authorities of all policies."""
    problems: list[str] = field(default_factory=list)
    """Why something is not served, in words for an operator."""


class Catalog:
    """What is configured, ready for use. Raises StoreError where the store cannot be read, and
    SecretError where it was sealed under another master key."""

    def __init__(
        self,
        store: Store,
        master_key: MasterKey,
        clock: Callable[[], float],
        issuer_of: IssuerOf = issuer_of,
    ) -> None:
        """`issuer_of`: who issues for a CA."""
        self.issuer_of = issuer_of
        self._store = store
        self._master_key = master_key
        self._clock = clock
        self._snapshot: ConfigSnapshot | None = None
        self._loaded: dict[tuple[str, int], Authority | None] = {}
        self._loading = asyncio.Lock()

    async def policies(self) -> list[CompiledPolicy]:
        """All that can be served."""
        return list((await self.current()).policies.values())

    async def authorities(self) -> list[Authority]:
        """All CAs that have their certificate."""
        return list((await self.current()).authorities.values())

    async def authority(self, id: str) -> Authority | None:
        """The CA with that id."""
        return (await self.current()).authorities.get(id)

    async def authorities_by_subject(self, subject: bytes) -> list[Authority]:
        """The CAs with that subject (DER of the Name): more than one after a rollover."""
        return list((await self.current()).by_subject.get(subject, ()))

    async def client(self, id: str) -> APIClient | None:
        """The API client with that id."""
        return (await self.current()).clients.get(id)

    async def problems(self) -> list[str]:
        """Why parts of the configuration are not served."""
        return list((await self.current()).problems)

    async def current(self) -> ConfigSnapshot:
        """All of it at once, for who looks up more than one thing: each look asks the store anew."""
        return await self.as_of(await self._store.change_counter())

    async def as_of(self, counter: int) -> ConfigSnapshot:
        """All of it, where the change counter was read before."""
        snapshot = self._snapshot
        if snapshot is not None and snapshot.counter == counter:
            return snapshot
        async with self._loading:
            if self._snapshot is None or self._snapshot.counter != counter:
                self._snapshot = await self._load(counter)
            return self._snapshot

    async def _load(self, counter: int) -> ConfigSnapshot:
        snapshot = ConfigSnapshot(counter)
        kept: dict[tuple[str, int], Authority | None] = {}
        for stored in await self._store.objects(ObjectKind.CA):
            self._add_authority(snapshot, stored, kept)
        self._loaded = kept
        templates = await self._templates(snapshot)
        reserved = names_of(snapshot.authorities.values())
        for stored in await self._store.objects(ObjectKind.POLICY):
            try:
                policy = Policy.of(stored.id, stored.name, stored.document)
                compiled = compose(policy, templates, list(snapshot.authorities.values()), reserved)
            except DocumentError as error:
                snapshot.problems.append(f"policy {stored.name}: {error}")
            else:
                snapshot.policies[policy.id] = compiled
        snapshot.anchors = _anchors(compiled.policy for compiled in snapshot.policies.values())
        for stored in await self._store.objects(ObjectKind.API_CLIENT):
            try:
                snapshot.clients[stored.id] = APIClient.of(stored)
            except DocumentError as error:
                snapshot.problems.append(str(error))
        return snapshot

    def _add_authority(
        self,
        snapshot: ConfigSnapshot,
        stored: StoredObject,
        kept: dict[tuple[str, int], Authority | None],
    ) -> None:
        """Load a CA, unless it is loaded as it stands: opening keys is the costly part."""
        version = (stored.id, stored.version)
        try:
            authority = self._loaded[version] if version in self._loaded else self._open(stored)
        except DocumentError as error:
            snapshot.problems.append(str(error))
            return
        kept[version] = authority
        if authority is not None:
            snapshot.authorities[authority.id] = authority
            snapshot.by_subject.setdefault(authority.subject_der, []).append(authority)

    def _open(self, stored: StoredObject) -> Authority | None:
        return load_authority(stored, self._master_key)

    async def _templates(self, snapshot: ConfigSnapshot) -> dict[str, Template]:
        templates = dict(ready_made())
        for stored in await self._store.objects(ObjectKind.TEMPLATE):
            try:
                templates[stored.name] = Template.of(stored.name, stored.document)
            except DocumentError as error:
                templates.pop(stored.name, None)
                snapshot.problems.append(f"template {stored.name}: {error}")
        return templates


def _anchors(policies: Iterable[Policy]) -> tuple[x509.Certificate, ...]:
    """All certificates by which policies trust others' certificates, each once."""
    ders: dict[bytes, None] = {}
    for policy in policies:
        ders |= dict.fromkeys(policy.certificates())
    return tuple(map(x509.load_der_x509_certificate, ders))


def compose(
    policy: Policy,
    templates: dict[str, Template],
    authorities: list[Authority],
    reserved: frozenset[str] = frozenset(),
) -> CompiledPolicy:
    """A policy with what it names. Raises DocumentError where that is not there, or does not fit."""
    named = [one for one in authorities if policy.ca in (one.name, one.id)]
    if not named:
        known = ", ".join(one.name for one in authorities) or "none"
        raise DocumentError("ca", f"no CA {policy.ca!r} can issue; known: {known}")
    for key, name in (("template", policy.template), *(("profiles", one) for one in policy.profiles)):
        if name not in templates:
            raise DocumentError(key, f"no template {name!r}; known: {', '.join(sorted(templates))}")
    choices = [templates[name] for name in policy.profiles]
    return CompiledPolicy.of(policy, templates[policy.template], named[0], choices, reserved)
