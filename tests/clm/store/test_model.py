"""Any sequence of units leaves the store as it leaves a few dictionaries."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cmpd.clm.audit import first_break
from cmpd.clm.model import (
    Certificate,
    CertificateState,
    Challenge,
    Entity,
    Transaction,
    TransactionRequest,
    TransactionState,
)
from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import CertificateQuery, Conflict, Store
from cmpd.clm.store.changes import (
    AddCertificate,
    AddEntity,
    AdvanceTransaction,
    Audit,
    Change,
    DecideTransaction,
    DeleteEntity,
    OpenTransaction,
    SetCertificateState,
    UpdateEntity,
    UsePassword,
)
from tests.support.postgres import PostgresServer
from tests.support.records import NOW, a_certificate, a_transaction, an_entity, an_event

IDS = [f"00000000-0000-0000-0000-00000000000{digit}" for digit in range(3)]
REFERENCES = [b"a", b"b", b"c"]
STATES = list(CertificateState)

_ids = st.sampled_from(IDS)
_references = st.lists(st.sampled_from(REFERENCES), unique=True, max_size=2).map(tuple)
_uses = st.none() | st.integers(0, 2)
_entities = st.builds(
    lambda id, references, uses, version: an_entity(
        id=id, references=references, password_uses=uses, version=version
    ),
    _ids, _references, _uses, st.integers(0, 3),
)  # fmt: skip
_transaction_ids = st.sampled_from([b"1", b"2"])
_nonces = st.sampled_from([b"n", b"m"])
_transaction_states = st.sampled_from(list(TransactionState))
_waits = st.sampled_from([None, Challenge(7)])
_transactions = st.builds(
    lambda id, state, nonce, waits: a_transaction(
        id=id, state=state, server_nonce=nonce, requests=(TransactionRequest(0, state, None, waits),)
    ),
    _transaction_ids, _transaction_states, _nonces, _waits,
)  # fmt: skip
_changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(AddEntity, _entities),
    st.builds(UpdateEntity, _entities),
    st.builds(DeleteEntity, _ids, st.integers(0, 3)),
    st.builds(UsePassword, _ids),
    st.builds(lambda serial: AddCertificate(a_certificate(serial=serial)), st.integers(1, 3)),
    st.builds(
        lambda serial, expected, state: SetCertificateState("issuing", serial, None, expected, state, 1, 2),
        st.integers(1, 3),
        st.lists(st.sampled_from(STATES), min_size=1, max_size=3).map(tuple),
        st.sampled_from(STATES),
    ),
    st.builds(OpenTransaction, _transactions),
    st.builds(AdvanceTransaction, _transactions, _transaction_states, _nonces, st.none() | _transactions),
    st.builds(DecideTransaction, _transactions, _transactions, st.sampled_from([NOW, NOW + 1000])),
    st.builds(lambda: Audit(an_event())),
)


class Model:
    """The store, as dictionaries."""

    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}
        self.certificates: dict[int, Certificate] = {}
        self.transactions: dict[bytes, Transaction] = {}
        self.events: list[Any] = []

    def copy(self) -> Model:
        copy = Model()
        copy.entities, copy.certificates = dict(self.entities), dict(self.certificates)
        copy.transactions, copy.events = dict(self.transactions), list(self.events)
        return copy

    def apply(self, change: Change) -> str | None:
        """Carry the change out; what it conflicts with, else."""
        match change:
            case AddEntity(entity):
                return "entity" if entity.id in self.entities else self._put_entity(entity, 1)
            case UpdateEntity(entity):
                if self._version(entity.id) != entity.version:
                    return "version"
                return self._put_entity(entity, entity.version + 1)
            case DeleteEntity(id, version):
                if self._version(id) != version:
                    return "version"
                del self.entities[id]
            case UsePassword(id):
                return self._use_password(id)
            case AddCertificate(certificate):
                if certificate.serial in self.certificates:
                    return "serial"
                self.certificates[certificate.serial] = certificate
            case SetCertificateState(_, serial, _, expected, state, revoked, reason):
                held = self.certificates.get(serial)
                if held is None or held.state not in expected:
                    return "state"
                self.certificates[serial] = replace(held, state=state, revoked=revoked, reason=reason)
            case OpenTransaction(transaction):
                if transaction.id in self.transactions:
                    return "transaction"
                self.transactions[transaction.id] = transaction
            case AdvanceTransaction(transaction, expected_state, nonce, seen):
                before = self.transactions.get(transaction.id)
                if before is None or (before.state, before.server_nonce) != (expected_state, nonce):
                    return "transaction"
                if seen is not None and before.requests[0].waits_for != seen.requests[0].waits_for:
                    return "transaction"
                self.transactions[transaction.id] = replace(
                    transaction,
                    first_digest=before.first_digest,
                    first_response=before.first_response,
                )
            case DecideTransaction(transaction, seen, time):
                before = self.transactions.get(transaction.id)
                if before is None or before.state is not seen.state or before.expires < time:
                    return "transaction"
                if before.requests[0].waits_for != seen.requests[0].waits_for:
                    return "transaction"
                decided = TransactionRequest(0, transaction.state, None, transaction.requests[0].waits_for)
                self.transactions[transaction.id] = replace(
                    before, state=transaction.state, requests=(decided,)
                )
            case Audit(event):
                self.events.append(event)
        return None

    def _version(self, id: str) -> int | None:
        return self.entities[id].version if id in self.entities else None

    def _put_entity(self, entity: Entity, version: int) -> str | None:
        others = [other for other in self.entities.values() if other.id != entity.id]
        if any(set(other.references) & set(entity.references) for other in others):
            return "reference"
        self.entities[entity.id] = replace(entity, version=version)
        return None

    def _use_password(self, id: str) -> str | None:
        if id not in self.entities or self.entities[id].password_uses == 0:
            return "password"
        entity = self.entities[id]
        if entity.password_uses is not None:
            self.entities[id] = replace(
                entity, password_uses=entity.password_uses - 1, version=entity.version + 1
            )
        return None


class StoreAgainstModel(RuleBasedStateMachine):
    """Runs each unit against both."""

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.store = self.make()
        self.runner.run(self.store.open())

    def make(self) -> Store:
        return create_store(str(Path(self.directory.name, "cmpd.db")))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.runner.run(self.store.close())
            self.runner.close()
            self.directory.cleanup()

    @rule(units=st.lists(st.lists(_changes, max_size=4), min_size=1, max_size=3))
    def commit(self, units: list[list[Change]]) -> None:
        """Units given at once share a commit, and are judged in the order in which they came."""
        expected = []
        for unit in units:
            after = self.model.copy()
            conflict = next(filter(None, map(after.apply, unit)), None)
            expected.append(conflict)
            if conflict is None:
                self.model = after

        async def together() -> list[BaseException | None]:
            return await asyncio.gather(*map(self.store.commit, units), return_exceptions=True)

        outcomes = self.runner.run(together())
        assert all(outcome is None or isinstance(outcome, Conflict) for outcome in outcomes), outcomes
        assert [outcome.what if isinstance(outcome, Conflict) else None for outcome in outcomes] == expected

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.close())
        self.runner.run(self.store.open())

    @invariant()
    def both_are_alike(self) -> None:
        if hasattr(self, "store"):
            self.runner.run(self._compare())

    async def _compare(self) -> None:
        store, model = self.store, self.model
        assert {entity.id: entity async for entity in store.entities()} == model.entities
        certificates = {one.serial: one async for one in store.certificates(CertificateQuery())}
        assert certificates == model.certificates
        states = [str(one.state) for one in certificates.values()]
        counts = {state: states.count(state) for state in set(states)}
        assert await store.count_certificates("state") == counts
        for id in (b"1", b"2"):
            assert await store.transaction(id) == model.transactions.get(id)
        for reference in REFERENCES:
            owners = [entity for entity in model.entities.values() if reference in entity.references]
            assert await store.entity_by_reference(reference) == (owners[0] if owners else None)
        # A PostgreSQL store that was closed just now may still hold its chain: then another one goes on.
        chains: dict[str, list[int]] = {}
        async for record in store.audit():
            chains.setdefault(record.chain, []).append(model.events.index(record.event))
        assert all(places == sorted(places) for places in chains.values())
        assert sorted(place for places in chains.values() for place in places) == [*range(len(model.events))]
        assert await first_break(store.audit(), await store.audit_heads()) is None


def test_sqlite_is_as_the_model() -> None:
    run_state_machine_as_test(StoreAgainstModel, settings=_settings(40))


def test_postgresql_is_as_the_model(postgres_server: PostgresServer) -> None:
    class PostgresAgainstModel(StoreAgainstModel):
        def make(self) -> Store:
            return open_store(postgres_server.new_database("cmpd_template"))

    run_state_machine_as_test(PostgresAgainstModel, settings=_settings(10))


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
