"""A store with the demo PKI in it, and what a test needs to act on it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.client import Client
from cmpd.clm.documents.policy import Policy
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_POLICY, InitialSetup, bootstrap
from cmpd.clm.lifecycle.ca import CAContext
from cmpd.clm.model import Act, Entity, ObjectKind, StoredObject
from cmpd.clm.secrets import MasterKey
from cmpd.clm.store import create_store
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import Change, PutObject
from tests.support.stores import in_store

T = TypeVar("T")

NOW = 1_800_000_000
URL = "http://pki.example:8504"


@dataclass
class PKI:
    """The demo PKI, with a clock that tests set."""

    folder: Path
    master_key: MasterKey = field(default_factory=lambda: MasterKey(bytes(32)))
    now: int = NOW
    beginnings: InitialSetup | None = None

    @property
    def maker(self) -> CAContext:
        return CAContext(Act("operator:test", self.now), self.master_key)

    def run(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Do the work with the store open."""
        return in_store(str(self.folder / "cmpd.db"), work)

    async def client(self, store: Store) -> Client:
        assert self.beginnings is not None
        return await Client.login(
            store,
            self.master_key,
            "cmpd",
            self.beginnings.client_secret,
            clock=lambda: self.now,
            random=os.urandom,
        )

    def begin(self) -> None:
        create_store(str(self.folder / "cmpd.db"))

        async def work(store: Store) -> InitialSetup:
            return await bootstrap(store, self.maker, demo=True, base_url=URL, client_id="cmpd")

        self.beginnings = self.run(work)

    def commit(self, *changes: Change) -> None:
        self.run(lambda store: store.commit(changes))

    def stored(self, kind: ObjectKind, name: str) -> StoredObject:
        found = self.run(lambda store: store.object(kind, name))
        assert found is not None
        return found

    def authority(self, name: str = "issuing") -> Authority:
        async def work(store: Store) -> Authority:
            client = await self.client(store)
            return next(one for one in await client.catalog.authorities() if one.name == name)

        return self.run(work)

    def compiled(self, policy_id: str = DEMO_POLICY) -> CompiledPolicy:
        async def work(store: Store) -> CompiledPolicy:
            compiled = (await (await self.client(store)).catalog.current()).policies.get(policy_id)
            assert compiled is not None
            return compiled

        return self.run(work)

    def entity(self) -> Entity:
        found = self.run(lambda store: store.entity(DEMO_ENTITY))
        assert found is not None
        return found

    def put_policy(self, policy: Policy) -> None:
        self.commit(PutObject(StoredObject(ObjectKind.POLICY, policy.id, policy.name, policy.document())))


@pytest.fixture
def pki(tmp_path: Path) -> PKI:
    """The demo PKI, just made."""
    pki = PKI(tmp_path)
    pki.begin()
    return pki
