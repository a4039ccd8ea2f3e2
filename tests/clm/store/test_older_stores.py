"""A store of an earlier cmpd (`version_1`) is opened by this one: nothing is lost, and it serves on."""

from __future__ import annotations

import gzip
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.clm.audit import first_break
from cmpd.clm.client import Client
from cmpd.clm.entities.entity_acts import password_context
from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.issuer import IssuedCertificate, RequestId
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD, DEMO_POLICY
from cmpd.clm.model import (
    Approval,
    AuditRecord,
    CertificateState,
    Entity,
    EntityState,
    TransactionRequest,
    TransactionState,
)
from cmpd.clm.pkix.identities import identity_key
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.secrets import MasterKey
from cmpd.clm.store import open_store
from cmpd.clm.store.base import CertificateQuery, Store
from cmpd.clm.store.place import is_postgres
from tests.support.postgres import PostgresServer

NOW = 1_831_622_400
DAY = 86_400
MASTER_KEY = MasterKey(bytes(range(32)))
SECRET = "aSmq46f1ojfc_ZIb8fqWJOhEWz7Di_qGKhdzLb50APs"
PUMP = "22222222-3333-4444-5555-666666666666"
VALVE = "33333333-3333-4444-5555-666666666666"
KEY_COMPROMISE, SUPERSEDED, CERTIFICATE_HOLD, PRIVILEGE_WITHDRAWN = 1, 4, 6, 9

STANDINGS = {
    "CN=active": (CertificateState.ACTIVE, None, None),
    "CN=unconfirmed": (CertificateState.UNCONFIRMED, None, None),
    "CN=on hold": (CertificateState.ON_HOLD, CERTIFICATE_HOLD, NOW),
    "CN=revoked": (CertificateState.REVOKED, KEY_COMPROMISE, NOW),
    "CN=rejected": (CertificateState.REJECTED, 5, NOW),
    "CN=renewed": (CertificateState.ACTIVE, None, None),
}
ARCHIVED = {
    "CN=archived": (CertificateState.ACTIVE, None),
    "CN=archived and revoked": (CertificateState.REVOKED, SUPERSEDED),
}


class Operator:
    actor = described = "operator:test"


def _dump(engine: str) -> str:
    packed = (Path(__file__).parent / "version_1" / f"{engine}.sql.gz").read_bytes()
    text = gzip.decompress(packed).decode("utf-8")
    assert "held_by" not in text, "columns that came later"
    return text


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of version 1 is."""
    if request.param == "sqlite":
        path = tmp_path / "cmpd.db"
        connection = sqlite3.connect(path)
        connection.executescript(_dump("sqlite"))
        connection.close()
        return str(path)
    import psycopg

    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.new_database()
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(_dump("postgresql").encode())
    return url


@asynccontextmanager
async def _opened(where: str) -> AsyncIterator[Store]:
    store = open_store(where)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _client(store: Store) -> Client:
    return await Client.login(store, MASTER_KEY, "cmpd", SECRET, clock=lambda: NOW, random=os.urandom)


async def test_certificates_of_version_1_are_there_in_every_state(older: str) -> None:
    async with _opened(older) as store:
        records = [one async for one in store.certificates(CertificateQuery(entity=PUMP))]
        assert {one.subject: (one.state, one.reason, one.revoked) for one in records} == STANDINGS
        archived = [one async for one in store.archived_certificates()]
        assert {one.subject: (one.state, one.reason) for one in archived} == ARCHIVED
        assert {(one.requested_by, one.held_by) for one in (*records, *archived)} == {(None, None)}
        named = {one.subject: one for one in records}
        assert named["CN=renewed"].replaces == (named["CN=active"].ca, named["CN=active"].serial)
        for one in (*records, *archived):
            certificate = x509.load_der_x509_certificate(one.der)
            assert certificate.serial_number == one.serial
            assert certificate.subject.rfc4514_string() == one.subject
            assert int(certificate.not_valid_after_utc.timestamp()) == one.not_after
        assert await store.count_certificates("state") == {
            "active": 6, "unconfirmed": 1, "on_hold": 1, "revoked": 1, "rejected": 1
        }  # fmt: skip
        assert await store.integrity() == []


async def test_end_entities_of_version_1_are_there_with_what_they_are_found_by(older: str) -> None:
    async with _opened(older) as store:
        pump = await store.entity(PUMP)
        assert pump is not None
        assert pump.password is not None
        assert MASTER_KEY.open(pump.password, password_context(PUMP)) == b"pump-password-1"
        assert (pump.password_uses, pump.attributes) == (3, {"serial": "A-100"})
        for reference in (b"pump-7", b"\xff\x00"):
            assert await store.entity_by_reference(reference) == pump
        for kind, value in (("subject", "CN=Pump 7"), ("serialNumber", "A-100")):
            assert await store.entity_by_identity(kind, identity_key(kind, value), "") == pump
        valve = await store.entity(VALVE)
        assert valve == Entity(VALVE, "valve 1", EntityState.BLOCKED, created=NOW - 366 * DAY, version=2)
        demo = await store.entity(DEMO_ENTITY)
        assert demo is not None
        assert demo.password is not None
        assert MASTER_KEY.open(demo.password, password_context(DEMO_ENTITY)).decode() == DEMO_PASSWORD
        assert [one.id async for one in store.entities()] == [PUMP, DEMO_ENTITY, VALVE]


async def test_transactions_of_version_1_go_on(older: str) -> None:
    async with _opened(older) as store:
        (waiting,) = [one async for one in store.transactions(TransactionState.WAITING)]
        approval = Approval("certificate", "", 2, ("operator:one",))
        assert waiting.requests == (TransactionRequest(0, TransactionState.WAITING, None, approval),)
        assert (len(waiting.message or b""), waiting.expires) == (90, NOW + 7 * DAY)
        (confirming,) = [one async for one in store.transactions(TransactionState.CONFIRMING)]
        request_state = await store.request_state(confirming.id, PUMP)
        assert request_state.transaction == confirming
        assert request_state.certificate is not None
        assert request_state.certificate.subject == "CN=unconfirmed"
        assert request_state.entity == await store.entity(PUMP)
        (closed,) = [one async for one in store.transactions(TransactionState.CLOSED)]
        assert closed.entity == PUMP


async def test_crls_and_audit_of_version_1_hold(older: str) -> None:
    async with _opened(older) as store:
        authorities = await (await _client(store)).authorities()
        for authority in authorities:
            stored = await store.crl(authority.id, 0)
            assert stored is not None
            crl = x509.load_der_x509_crl(stored.der)
            assert crl.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]
            found = [serial async for serial, _, _ in store.revoked(authority.id, 0)]
            assert [one.serial_number for one in crl] == found
        records: list[AuditRecord] = [one async for one in store.audit()]
        assert len(records) == 23
        assert await first_break(store.audit(), await store.audit_heads()) is None


async def test_a_certificate_is_issued_and_revoked_in_a_store_of_version_1(older: str) -> None:
    async with _opened(older) as store:
        client = await _client(store)
        compiled = client.policy(await client.catalog.current(), DEMO_POLICY)
        request = CertificateRequest(
            parse_name("CN=new"), ec.generate_private_key(ec.SECP256R1()).public_key()
        )
        certificates, entity = client.certificates, await store.entity(PUMP)
        prepared = certificates.prepare(compiled, entity, request, now=NOW, serial=4711)
        outcome = await certificates.issuer(compiled.authority).issue(RequestId(bytes(16), 0), prepared)
        assert isinstance(outcome, IssuedCertificate)
        issued, unit = certificates.add(
            outcome, policy=DEMO_POLICY, entity=PUMP, replaces=None,
            transaction=bytes(16), confirmed=True, by=Operator(),
        )  # fmt: skip
        await client.commit(unit)
        assert await store.certificate(issued.ca, issued.serial) == issued
        assert issued.requested_by == "operator:test"
        unit = await client.certificates.revoke(issued, PRIVILEGE_WITHDRAWN, actor="operator:test")
        await client.commit(unit)
        authority = await client.catalog.authority(issued.ca)
        assert authority is not None
        crl = await client.crl(authority, 0)
        assert crl is not None
        read = x509.load_der_x509_crl(crl.der)
        assert read.get_revoked_certificate_by_serial_number(issued.serial) is not None
        assert await first_break(store.audit(), await store.audit_heads()) is None


async def test_a_store_that_was_migrated_is_not_migrated_again(
    older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _opened(older) as store:
        before = [one async for one in store.certificates(CertificateQuery())]

    def migrate(*_: object) -> None:
        raise AssertionError("a second migration")

    engine = "postgres.migrations" if is_postgres(older) else "sqlite.connection"
    monkeypatch.setattr(f"cmpd.clm.store.{engine}._apply", migrate)
    async with _opened(older) as store:
        assert [one async for one in store.certificates(CertificateQuery())] == before
