"""CRLs tell what the store tells, at once and on schedule (RFC 5280, section 5)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.clm.authorities.crl import is_due
from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.crl_refresh import refresh_crl
from cmpd.clm.issuance.issuer import LocalIssuer
from cmpd.clm.model import Certificate, CertificateState, StoredCRL
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, SetCertificateState
from tests.clm.conftest import NOW, PKI, URL
from tests.support.issuing import build_crl, issue

DAY = 86400


def certificate(pki: PKI, octet: int = 7) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    request = CertificateRequest(parse_name("CN=Device"), key.public_key())
    issuance = issue(pki.compiled(), None, request, now=pki.now, random=lambda n: bytes([octet]) * n)
    record = issuance.record()
    pki.commit(AddCertificate(record))
    return record


def refreshed(pki: PKI) -> tuple[StoredCRL, x509.CertificateRevocationList]:
    authority = pki.authority()
    crl = pki.run(lambda store: refresh_crl(store, LocalIssuer(authority), 0, pki.now))
    return crl, x509.load_der_x509_crl(crl.der)


def revoke(pki: PKI, record: Certificate, state: CertificateState, reason: int | None) -> None:
    pki.commit(
        SetCertificateState(
            record.ca, record.serial, record.policy, tuple(CertificateState), state, pki.now, reason
        )
    )


def test_a_crl_is_signed_by_its_ca_and_names_number_key_and_distribution_point(pki: PKI) -> None:
    stored, crl = refreshed(pki)
    authority = pki.authority()
    assert crl.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type] # P-256
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == stored.number == 1
    key_id = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key_id == authority.key_id
    point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert point.critical
    assert point.value.full_name == [x509.UniformResourceIdentifier(f"{URL}/crl/issuing-1.crl")]


def test_the_distribution_point_of_a_certificate_is_that_of_its_crl(pki: PKI) -> None:
    issued = x509.load_der_x509_certificate(certificate(pki).der)
    (point,) = issued.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    _, crl = refreshed(pki)
    own = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value.full_name
    assert point.full_name == own


@pytest.mark.parametrize(
    ("state", "reason", "flag"),
    [
        (CertificateState.REVOKED, 1, x509.ReasonFlags.key_compromise),
        (CertificateState.REVOKED, 4, x509.ReasonFlags.superseded),
        (CertificateState.REVOKED, 9, x509.ReasonFlags.privilege_withdrawn),
        (CertificateState.ON_HOLD, 6, x509.ReasonFlags.certificate_hold),
        (CertificateState.REJECTED, 5, x509.ReasonFlags.cessation_of_operation),
        (CertificateState.REVOKED, 0, None),
        (CertificateState.REVOKED, None, None),
    ],
)
def test_a_revoked_certificate_stands_on_the_crl_with_its_reason(
    pki: PKI, state: CertificateState, reason: int | None, flag: x509.ReasonFlags | None
) -> None:
    record = certificate(pki)
    revoke(pki, record, state, reason)
    _, crl = refreshed(pki)
    entry = crl.get_revoked_certificate_by_serial_number(record.serial)
    assert entry is not None
    assert int(entry.revocation_date_utc.timestamp()) == pki.now
    reasons = [extension.value.reason for extension in entry.extensions]
    assert reasons == ([flag] if flag else [])


def test_an_active_certificate_and_one_released_from_hold_are_not_on_the_crl(pki: PKI) -> None:
    record = certificate(pki)
    revoke(pki, record, CertificateState.ON_HOLD, 6)
    assert len(refreshed(pki)[1]) == 1
    pki.commit(
        SetCertificateState(
            record.ca, record.serial, None, (CertificateState.ON_HOLD,), CertificateState.ACTIVE
        )
    )
    assert len(refreshed(pki)[1]) == 0


def test_an_expired_certificate_is_dropped_after_one_more_crl(pki: PKI) -> None:
    record = certificate(pki)
    revoke(pki, record, CertificateState.REVOKED, 1)
    refreshed(pki)
    pki.now = record.not_after + DAY
    assert len(refreshed(pki)[1]) == 1
    pki.now += DAY
    assert len(refreshed(pki)[1]) == 0


def test_numbers_grow_and_a_clock_set_back_makes_no_older_crl(pki: PKI) -> None:
    first, _ = refreshed(pki)
    pki.now -= 1000
    second, _ = refreshed(pki)
    assert second.number == first.number + 1
    assert second.this_update >= first.this_update


@pytest.mark.parametrize("ahead", [2 * 3600, 3 * 365 * DAY])
def test_after_a_clock_that_was_ahead_the_crl_is_made_anew_for_the_right_time_and_lacks_nothing(
    pki: PKI, ahead: int
) -> None:
    """Else verifiers would take none until then, and what ends before then would not be on it."""
    record = certificate(pki)
    revoke(pki, record, CertificateState.REVOKED, 1)
    pki.now += ahead
    wrong, _ = refreshed(pki)
    refreshed(pki)
    pki.now -= ahead

    async def work(store: Store) -> None:
        await (await pki.client(store)).upkeep.look_at_calendar()

    assert is_due(wrong, pki.authority(), pki.now)
    pki.run(work)
    right = pki.run(lambda store: store.crl(wrong.ca, 0))
    assert right is not None
    assert right.this_update == pki.now
    assert right.number > wrong.number
    assert [entry.serial_number for entry in x509.load_der_x509_crl(right.der)] == [record.serial]


def test_a_signer_made_while_the_clock_was_ahead_is_replaced_when_it_is_right_again(pki: PKI) -> None:
    async def work(store: Store) -> None:
        await (await pki.client(store)).upkeep.look_at_calendar()

    first = pki.authority().signer
    pki.now += 3 * 365 * DAY
    pki.run(work)
    assert pki.authority().signer.certificate_der != first.certificate_der
    pki.now -= 3 * 365 * DAY
    pki.run(work)
    signer = pki.authority().signer.certificate
    assert signer.not_valid_before_utc.timestamp() <= pki.now < signer.not_valid_after_utc.timestamp()


def test_the_next_crl_is_due_when_the_overlap_begins(pki: PKI) -> None:
    authority = pki.authority()
    crl = build_crl(authority, 0, 1, (), NOW)
    overlap = authority.crl.overlap
    assert is_due(None, authority, NOW)
    assert not is_due(crl, authority, crl.next_update - overlap - 1)
    assert is_due(crl, authority, crl.next_update - overlap)


def test_what_is_revoked_through_a_client_is_on_the_crl_it_serves_at_once(pki: PKI) -> None:
    record = certificate(pki)

    async def work(store: Store) -> bool:
        client = await pki.client(store)
        await client.upkeep.look_at_calendar()
        unit = await client.certificates.revoke(record, 1, actor="operator:test")
        await client.commit(unit)
        published = await client.publication("crl", record.ca, None)
        assert published is not None
        crl = x509.load_der_x509_crl(published[0])
        return crl.get_revoked_certificate_by_serial_number(record.serial) is not None

    assert pki.run(work)


def test_whoever_asks_while_a_crl_is_made_gets_the_new_one(pki: PKI) -> None:
    record = certificate(pki)

    async def work(store: Store) -> list[int]:
        client = await pki.client(store)
        await client.upkeep.look_at_calendar()
        unit = await client.certificates.revoke(record, 1, actor="operator:test")
        async with store.crl_lock(record.ca, 0):
            await client.commit(unit)
            asking = [asyncio.create_task(client.publication("crl", record.ca, None)) for _ in range(2)]
            await asyncio.sleep(0.1)
            asking.append(asyncio.create_task(client.publication("crl", record.ca, None)))
            await asyncio.sleep(0.1)
            assert not any(one.done() for one in asking)
        crls = [
            published and x509.load_der_x509_crl(published[0]) for published in await asyncio.gather(*asking)
        ]
        return [len(crl) for crl in crls if crl is not None]

    assert pki.run(work) == [1, 1, 1]


def test_those_who_read_a_crl_slowly_all_hold_the_same_until_there_is_another(pki: PKI) -> None:
    """Else each second of slow readers would take the memory of some CRLs, of megabytes each."""

    async def work(store: Store) -> None:
        kept = (await pki.client(store)).upkeep
        await kept.look_at_calendar()
        held = await asyncio.gather(*(kept.crl(authority, 0) for _ in range(5)))
        held.append(await kept.crl(authority, 0))
        assert len({id(one) for one in held}) == 1
        await refresh_crl(store, LocalIssuer(authority), 0, pki.now)
        another = await kept.crl(authority, 0)
        assert another is not None
        assert held[0] is not None
        assert another.number == held[0].number + 1

    authority = pki.authority()
    pki.run(work)


def test_a_reader_at_any_process_sees_what_was_revoked_at_another_and_no_crl_after_a_later_one(
    pki: PKI,
) -> None:
    """First looks after an accepted rp lacked the entry, and numbers fell from one worker to the next."""
    records = [certificate(pki, octet) for octet in (7, 8, 9)]

    async def work(store: Store) -> list[tuple[int, int]]:
        first, second = [await pki.client(store) for _ in range(2)]
        authority = await first.catalog.authority(records[0].ca)
        assert authority is not None
        seen: list[tuple[int, int]] = []
        for record in records:
            await second.crl(authority, 0)  # which it may have in memory
            await first.commit(await first.certificates.revoke(record, 1, actor="operator:test"))
            for process in (second, first, second):
                crl = await process.crl(authority, 0)
                assert crl is not None
                seen.append((crl.number, len(x509.load_der_x509_crl(crl.der))))
        return seen

    seen = pki.run(work)
    assert [entries for _, entries in seen] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)


@pytest.mark.parametrize(("before", "after", "listed"), [("active", "revoked", 1), ("on_hold", "active", 0)])
def test_upkeep_makes_up_for_a_crl_that_a_crash_left_out(
    pki: PKI, before: str, after: str, listed: int
) -> None:
    record = certificate(pki)
    revoke(pki, record, CertificateState(before), None)
    refreshed(pki)
    revoke(pki, record, CertificateState(after), None)

    async def work(store: Store) -> StoredCRL | None:
        client = await pki.client(store)
        job = asyncio.create_task(client.upkeep.run())
        try:
            for _ in range(200):
                crl = await store.crl(record.ca, 0)
                if crl is not None and crl.number == 2:
                    return crl
                await asyncio.sleep(0.02)
        finally:
            job.cancel()
        return None

    crl = pki.run(work)
    assert crl is not None
    assert len(x509.load_der_x509_crl(crl.der)) == listed


def test_a_signer_near_its_end_is_renewed_and_signs_for_the_same_ca(pki: PKI) -> None:
    before = pki.authority()
    pki.now = before.signer.not_after - DAY

    async def work(store: Store) -> None:
        await (await pki.client(store)).upkeep.look_at_calendar()

    pki.run(work)
    after = pki.authority()
    assert after.signer.not_after > before.signer.not_after
    after.signer.certificate.verify_directly_issued_by(after.certificate)
    pki.run(work)
    assert pki.authority().signer.certificate_der == after.signer.certificate_der


def test_others_are_served_while_a_large_crl_is_made(pki: PKI) -> None:
    authority = pki.authority()
    entries = [(serial << 100, NOW, 4) for serial in range(1, 100_001)]

    async def longest_wait() -> float:
        making = asyncio.create_task(asyncio.to_thread(build_crl, authority, 0, 1, entries, NOW))
        longest = 0.0
        while not making.done():
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)
        return longest

    # The signature itself is made in one go; a loaded machine gets some room.
    assert asyncio.run(longest_wait()) < 1.5


def test_a_hundred_thousand_revoked_certificates_take_seconds(pki: PKI) -> None:
    entries = [(serial << 100, NOW, 4) for serial in range(1, 100_001)]
    began = time.monotonic()
    crl = build_crl(pki.authority(), 0, 1, entries, NOW)
    assert time.monotonic() - began < 10
    assert len(x509.load_der_x509_crl(crl.der)) == 100_000
    assert replace(crl, der=b"").next_update == NOW + 7 * DAY
