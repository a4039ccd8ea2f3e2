"""A revocation gets onto the CRL whatever becomes of the process that made it: what is owed stands in the
store."""

from __future__ import annotations

import asyncio
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.crl_refresh import refresh_crl
from cmpd.clm.lifecycle import upkeep
from cmpd.clm.model import Certificate, CertificateState
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, SetCertificateState
from tests.clm.conftest import PKI
from tests.support.issuing import issue

ON_HOLD, ACTIVE, REVOKED = CertificateState.ON_HOLD, CertificateState.ACTIVE, CertificateState.REVOKED


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks are not waited for."""
    monkeypatch.setattr(upkeep, "OWED", 0.02)


def certificate(pki: PKI) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    request = CertificateRequest(parse_name("CN=Device"), key.public_key())
    record = issue(pki.compiled(), None, request, now=pki.now, random=os.urandom).record()
    pki.commit(AddCertificate(record))
    return record


async def listed(store: Store, ca: str) -> set[int]:
    crl = await store.crl(ca, 0)
    return {one.serial_number for one in x509.load_der_x509_crl(crl.der)} if crl else set()


async def others_keep_house(pki: PKI, store: Store) -> None:
    """Another process lives for a moment, which began before all this and so caught up with it."""
    client = await pki.client(store)
    keeping = asyncio.create_task(client.upkeep.run())
    try:
        async with asyncio.timeout(10):
            while await store.owed():  # noqa: ASYNC110 - the other process says nothing
                await asyncio.sleep(0.02)
    finally:
        keeping.cancel()


def test_what_a_process_revoked_before_it_was_killed_is_on_the_crl_by_another_one(
    pki: PKI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was off the CRL until something was started."""

    async def nothing(self: upkeep.Upkeep) -> None:
        pass

    monkeypatch.setattr(upkeep.Upkeep, "_catch_up", nothing)
    record = certificate(pki)
    pki.commit(SetCertificateState(record.ca, record.serial, None, (ACTIVE,), REVOKED, pki.now, 1))

    async def work(store: Store) -> tuple[set[int], set[int]]:
        before = await listed(store, record.ca)
        await others_keep_house(pki, store)
        return before, await listed(store, record.ca)

    before, after = pki.run(work)
    assert record.serial not in before
    assert record.serial in after


def test_a_release_is_owed_as_a_hold_is(pki: PKI) -> None:
    record = certificate(pki)
    pki.commit(SetCertificateState(record.ca, record.serial, None, (ACTIVE,), ON_HOLD, pki.now, 6))
    pki.run(lambda store: others_keep_house(pki, store))
    assert pki.run(lambda store: listed(store, record.ca)) == {record.serial}
    pki.commit(SetCertificateState(record.ca, record.serial, None, (ON_HOLD,), ACTIVE))
    assert [one.serial for one in pki.run(lambda store: store.owed())] == [record.serial]
    pki.run(lambda store: others_keep_house(pki, store))
    assert pki.run(lambda store: listed(store, record.ca)) == set()


def test_who_revoked_settles_what_it_owes(pki: PKI) -> None:
    """And no other process makes the CRL once more."""
    record = certificate(pki)

    async def work(store: Store) -> tuple[int, int]:
        client = await pki.client(store)
        await client.commit(await client.certificates.revoke(record, 1, actor="operator:test"))
        assert await store.owed()
        authority = await client.catalog.authority(record.ca)
        assert authority is not None
        crl = await client.crl(authority, 0)
        assert crl is not None
        assert not await store.owed()
        await others_keep_house(pki, store)
        later = await store.crl(record.ca, 0)
        assert later is not None
        return crl.number, later.number

    number, later = pki.run(work)
    assert later == number


def test_what_is_owed_after_the_entries_were_read_stays_owed(
    pki: PKI, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = certificate(pki), certificate(pki)
    pki.commit(SetCertificateState(first.ca, first.serial, None, (ACTIVE,), REVOKED, pki.now, 1))

    async def work(store: Store) -> list[int]:
        client = await pki.client(store)
        authority = await client.catalog.authority(first.ca)
        assert authority is not None
        commit = store.commit

        async def after_another(unit: object) -> None:
            monkeypatch.setattr(store, "commit", commit)
            await commit(
                (SetCertificateState(second.ca, second.serial, None, (ACTIVE,), REVOKED, pki.now, 1),)
            )
            await commit(unit)  # type: ignore[arg-type] # a unit

        monkeypatch.setattr(store, "commit", after_another)
        issuer = client.catalog.issuer_of(authority)
        await refresh_crl(store, issuer, 0, pki.now)
        return [one.serial for one in await store.owed()]

    assert pki.run(work) == [second.serial]
