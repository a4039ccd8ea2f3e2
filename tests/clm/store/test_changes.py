"""What each change does, and what it refuses to do, with nothing of its unit left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from cmpd.clm.model import (
    CertificateState,
    Challenge,
    EntityState,
    Identity,
    ObjectKind,
    TransactionRequest,
    TransactionState,
)
from cmpd.clm.pkix.identities import identity_key
from cmpd.clm.store.base import CertificateQuery, Conflict, Store, StoreError
from cmpd.clm.store.changes import (
    AddCertificate,
    AddEntity,
    AdvanceTransaction,
    ArchiveCertificate,
    Audit,
    Change,
    DeleteEntity,
    DeleteObject,
    LimitActive,
    OpenTransaction,
    PutCRL,
    PutObject,
    SetCertificateState,
    Unit,
    UpdateEntity,
    UsePassword,
)
from tests.support.records import (
    DAY,
    NOW,
    a_certificate,
    a_crl,
    a_transaction,
    an_entity,
    an_event,
    an_object,
)

POLICY = an_object()
OTHER_POLICY = an_object()
SUBJECT = Identity("subject", "CN=device,O=Example")
SPELLED_OTHERWISE = Identity("subject", "/o=EXAMPLE/cn=Device")
BOUND = replace(SUBJECT, anchor="ab" * 32)
ENTITY = an_entity(references=(b"ref-1", b"\x00\xff"), identities=(SUBJECT,), password_uses=1)
OTHER_ENTITY = an_entity(references=(b"ref-2",), identities=(Identity("serialNumber", "4711"),))
BOUNDLESS = an_entity(password_uses=None)
CERTIFICATE = a_certificate(entity=ENTITY.id, policy="p")
REVOKED = a_certificate(
    entity=ENTITY.id, policy="p", state=CertificateState.REVOKED, revoked=NOW, reason=1, not_after=NOW - DAY
)
TRANSACTION = a_transaction()
CRL = a_crl(7)

BEFORE: list[Change] = [
    PutObject(POLICY), PutObject(OTHER_POLICY),
    AddEntity(ENTITY), AddEntity(OTHER_ENTITY), AddEntity(BOUNDLESS),
    AddCertificate(CERTIFICATE), AddCertificate(REVOKED),
    OpenTransaction(TRANSACTION), PutCRL(CRL), Audit(an_event()),
]  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    what: str
    case: str
    unit: Unit


def _advance(**changed: object) -> AdvanceTransaction:
    change = AdvanceTransaction(TRANSACTION, TRANSACTION.state, TRANSACTION.server_nonce)
    return replace(change, **changed)  # type: ignore[arg-type]  # the cases name the fields


REFUSALS = [
    Refusal("version", "a new document under an id in use", [PutObject(replace(POLICY, name="x"))]),
    Refusal("version", "a document changed meanwhile", [PutObject(replace(POLICY, version=2))]),
    Refusal("version", "a document that is not there", [PutObject(an_object(version=1))]),
    Refusal("name", "a new document under a name in use", [PutObject(an_object(name=POLICY.name))]),
    Refusal("name", "a name in use", [PutObject(replace(POLICY, name=OTHER_POLICY.name, version=1))]),
    Refusal("version", "deletion of a changed document", [DeleteObject(ObjectKind.POLICY, POLICY.id, 9)]),
    Refusal("version", "deletion of another kind's document", [DeleteObject(ObjectKind.CA, POLICY.id, 1)]),
    Refusal("entity", "an entity twice", [AddEntity(an_entity(id=ENTITY.id))]),
    Refusal("reference", "a reference of another", [AddEntity(an_entity(references=(b"new", b"\x00\xff")))]),
    Refusal("identity", "an identity of another", [AddEntity(an_entity(identities=(SUBJECT,)))]),
    Refusal("identity", "an identity of another, spelled otherwise",
            [AddEntity(an_entity(identities=(SPELLED_OTHERWISE,)))]),
    Refusal("version", "an entity changed meanwhile", [UpdateEntity(replace(ENTITY, version=2))]),
    Refusal("version", "an entity that is not there", [UpdateEntity(an_entity(version=1))]),
    Refusal("reference", "taking over a reference",
            [UpdateEntity(replace(OTHER_ENTITY, version=1, references=(b"ref-1",)))]),
    Refusal("identity", "taking over an identity",
            [UpdateEntity(replace(OTHER_ENTITY, version=1, identities=(SUBJECT,)))]),
    Refusal("version", "deletion of a changed entity", [DeleteEntity(ENTITY.id, 3)]),
    Refusal("password", "one use more than allowed", [UsePassword(ENTITY.id), UsePassword(ENTITY.id)]),
    Refusal("password", "an unknown entity's password", [UsePassword(an_entity().id)]),
    Refusal("transaction", "an id in use", [OpenTransaction(a_transaction(id=TRANSACTION.id))]),
    Refusal("transaction", "another state", [_advance(expected=TransactionState.WAITING)]),
    Refusal("transaction", "another nonce", [_advance(expected_nonce=b"other")]),
    Refusal("transaction", "an unknown transaction", [_advance(transaction=a_transaction())]),
    Refusal("transaction", "the same step twice",
            [_advance(transaction=replace(TRANSACTION, server_nonce=b"2")), _advance()]),
    Refusal("serial", "a serial number again",
            [AddCertificate(a_certificate(ca=CERTIFICATE.ca, serial=CERTIFICATE.serial))]),
    Refusal("state", "a certificate in another state",
            [SetCertificateState(CERTIFICATE.ca, CERTIFICATE.serial, None, (CertificateState.ON_HOLD,),
                             CertificateState.ACTIVE)]),
    Refusal("state", "an unknown certificate",
            [SetCertificateState("other", CERTIFICATE.serial, None, tuple(CertificateState),
                             CertificateState.ACTIVE)]),
    Refusal("state", "an impossible serial number",
            [SetCertificateState(CERTIFICATE.ca, 1 << 200, None, tuple(CertificateState),
                             CertificateState.ACTIVE)]),
    Refusal("state", "archiving a living certificate",
            [ArchiveCertificate(CERTIFICATE.ca, CERTIFICATE.serial, NOW)]),
    Refusal("limit", "one active certificate too many", [LimitActive(ENTITY.id, "p", 0, NOW)]),
    Refusal("limit", "one too many besides another",
            [LimitActive(ENTITY.id, "p", 0, NOW, (CERTIFICATE.ca, CERTIFICATE.serial + 1))]),
    Refusal("crl", "the same CRL number", [PutCRL(a_crl(7))]),
    Refusal("crl", "an earlier CRL number", [PutCRL(a_crl(6))]),
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.what}: {refusal.case}")
async def test_a_conflict_undoes_its_whole_unit(store: Store, refusal: Refusal) -> None:
    await store.commit(BEFORE)
    marker = an_object()
    with pytest.raises(Conflict) as caught:
        await store.commit([PutObject(marker), Audit(an_event()), *refusal.unit])
    assert caught.value.what == refusal.what
    assert str(caught.value)
    assert await store.object(ObjectKind.POLICY, marker.id) is None
    assert len([record async for record in store.audit()]) == 1
    assert await store.entity(ENTITY.id) == replace(ENTITY, version=1)
    assert await store.transaction(TRANSACTION.id) == TRANSACTION
    assert await store.certificate(CERTIFICATE.ca, CERTIFICATE.serial) == CERTIFICATE
    assert await store.crl("issuing", 0) == CRL


async def test_a_document_is_written_read_by_id_and_name_and_deleted(store: Store) -> None:
    await store.commit([PutObject(POLICY), PutObject(OTHER_POLICY)])
    stored = replace(POLICY, version=1)
    assert await store.object(ObjectKind.POLICY, POLICY.id) == stored
    assert await store.object(ObjectKind.POLICY, POLICY.name) == stored
    assert await store.object(ObjectKind.CA, POLICY.id) is None
    changed = replace(stored, name="renamed", document={"list": [1, None, "ü", {"deep": True}]})
    await store.commit([PutObject(changed)])
    assert await store.object(ObjectKind.POLICY, "renamed") == replace(changed, version=2)
    assert await store.object(ObjectKind.POLICY, POLICY.name) is None
    assert [policy.id for policy in await store.objects(ObjectKind.POLICY)] == [OTHER_POLICY.id, POLICY.id]
    await store.commit([DeleteObject(ObjectKind.POLICY, POLICY.id, 2)])
    assert [policy.id for policy in await store.objects(ObjectKind.POLICY)] == [OTHER_POLICY.id]


async def test_the_id_goes_before_a_name_that_looks_like_it(store: Store) -> None:
    await store.commit([PutObject(POLICY), PutObject(replace(OTHER_POLICY, name=POLICY.id))])
    found = await store.object(ObjectKind.POLICY, POLICY.id)
    assert found is not None
    assert found.name == POLICY.name


async def test_the_change_counter_grows_with_documents_only(
    store: Store, another: Callable[[], Store]
) -> None:
    counts = [await store.change_counter()]
    for unit in ([PutObject(POLICY)], [PutObject(replace(POLICY, version=1, name="new name"))],
                 [DeleteObject(ObjectKind.POLICY, POLICY.id, 2)]):  # fmt: skip
        await store.commit(unit)
        counts.append(await store.change_counter())
    assert counts == sorted(set(counts))
    await store.commit([AddEntity(ENTITY), OpenTransaction(TRANSACTION), AddCertificate(CERTIFICATE)])
    assert await store.change_counter() == counts[-1]


@pytest.mark.parametrize(
    "entity",
    [
        ENTITY,
        BOUNDLESS,
        an_entity(state=EntityState.BLOCKED, password=None, password_expires=NOW, policies=()),
        an_entity(name="", attributes={"serial": "4711", "sans": ["a", "b"]}, created=0),
    ],
)
async def test_an_entity_comes_back_as_it_was(store: Store, entity: object) -> None:
    assert isinstance(entity, type(ENTITY))
    await store.commit([AddEntity(entity)])
    assert await store.entity(entity.id) == replace(entity, version=1)


async def test_an_entity_is_found_by_each_reference_and_identity_it_has_now(store: Store) -> None:
    await store.commit([AddEntity(ENTITY), AddEntity(OTHER_ENTITY)])
    for reference in ENTITY.references:
        assert await store.entity_by_reference(reference) == replace(ENTITY, version=1)
    key = identity_key("subject", SUBJECT.value)
    assert await store.entity_by_identity("subject", key, "") == replace(ENTITY, version=1)
    assert await store.entity_by_identity("subject", key, BOUND.anchor) is None
    assert await store.entity_by_identity("serialNumber", key, "") is None
    renamed = replace(
        ENTITY, version=1, references=(b"\x00\xff", b"ref-3"), identities=(Identity("fingerprint", "ab"),)
    )
    await store.commit([UpdateEntity(renamed)])
    assert await store.entity_by_reference(b"ref-3") == replace(renamed, version=2)
    assert await store.entity_by_identity("fingerprint", "ab", "") == replace(renamed, version=2)
    assert await store.entity_by_reference(b"ref-1") is None
    assert await store.entity_by_identity("subject", key, "") is None


async def test_one_name_may_be_anothers_under_another_trust_anchor(store: Store) -> None:
    bound = replace(OTHER_ENTITY, identities=(BOUND,))
    await store.commit([AddEntity(bound), AddEntity(ENTITY)])
    key = identity_key("subject", SPELLED_OTHERWISE.value)
    assert await store.entity_by_identity("subject", key, BOUND.anchor) == replace(bound, version=1)
    found = await store.entities_by_identity("subject", key)
    assert [one.id for one in found] == [ENTITY.id, bound.id]


async def test_a_deleted_entity_frees_its_names(store: Store) -> None:
    await store.commit([AddEntity(ENTITY)])
    await store.commit([DeleteEntity(ENTITY.id, 1)])
    assert await store.entity(ENTITY.id) is None
    assert await store.entity_by_reference(b"ref-1") is None
    await store.commit([AddEntity(replace(OTHER_ENTITY, references=(b"ref-1",), identities=(SUBJECT,)))])


async def test_a_bounded_password_is_counted_down_and_a_boundless_one_is_not(store: Store) -> None:
    await store.commit([AddEntity(ENTITY), AddEntity(BOUNDLESS)])
    await store.commit([UsePassword(ENTITY.id)])
    used = await store.entity(ENTITY.id)
    assert used is not None
    assert used.password_uses == 0
    for _ in range(3):
        await store.commit([UsePassword(BOUNDLESS.id)])
    assert await store.entity(BOUNDLESS.id) == replace(BOUNDLESS, version=1)


async def test_an_update_from_before_a_passwords_use_does_not_give_the_use_back(store: Store) -> None:
    await store.commit([AddEntity(ENTITY)])
    read = await store.entity(ENTITY.id)
    assert read is not None
    await store.commit([UsePassword(ENTITY.id)])
    with pytest.raises(Conflict, match="changed"):
        await store.commit([UpdateEntity(replace(read, name="renamed"))])


async def test_a_transaction_advances_and_keeps_what_belongs_to_its_first_message(store: Store) -> None:
    await store.commit([OpenTransaction(TRANSACTION)])
    assert await store.transaction(TRANSACTION.id) == TRANSACTION
    assert await store.transaction(b"unknown") is None
    later = replace(
        TRANSACTION,
        state=TransactionState.CLOSED,
        expires=NOW + DAY,
        last_digest=b"d",
        last_response=b"r",
        server_nonce=b"n",
        requests=(
            TransactionRequest(-1, TransactionState.CLOSED, ("issuing", (1 << 160) - 1)),
            TransactionRequest(1, TransactionState.REFUSED, ("other", 5), Challenge(1 << 70)),
        ),
        message=b"q",
        profile="device",
        signer=("issuing", 17),
    )
    misled = replace(later, body=99, party="x", policy="x", opened=1, first_digest=b"x", first_response=b"x")
    await store.commit([AdvanceTransaction(misled, TRANSACTION.state, TRANSACTION.server_nonce)])
    assert await store.transaction(TRANSACTION.id) == later


async def test_a_certificate_comes_back_by_each_of_its_keys(store: Store) -> None:
    certificate = replace(
        CERTIFICATE, transaction=b"t", revoked=5, reason=0, replaces=("old", (1 << 160) - 1)
    )
    await store.commit([AddCertificate(certificate)])
    assert await store.certificate(certificate.ca, certificate.serial) == certificate
    assert await store.certificates_by_key_id(certificate.key_id, 2) == [certificate]
    assert await store.certificates_by_key_id(b"unknown", 2) == []
    assert await store.holder(certificate.ca, certificate.serial) == (certificate, None)
    assert await store.holder("another", certificate.serial) is None


@pytest.mark.parametrize("serial", [-1, 1 << 160, 1 << 4000])
async def test_a_serial_number_that_cannot_be_is_refused_and_not_found(store: Store, serial: int) -> None:
    assert await store.certificate("issuing", serial) is None
    with pytest.raises(StoreError, match="20 octets"):
        await store.commit([AddCertificate(a_certificate(serial=serial))])


async def test_two_cas_may_issue_the_same_serial_number(store: Store) -> None:
    twin = a_certificate(ca="other", serial=CERTIFICATE.serial)
    await store.commit([AddCertificate(CERTIFICATE), AddCertificate(twin)])
    assert await store.certificate("other", CERTIFICATE.serial) == twin


async def test_a_certificate_moves_from_any_expected_state(store: Store) -> None:
    await store.commit([AddCertificate(CERTIFICATE)])
    key = (CERTIFICATE.ca, CERTIFICATE.serial)
    unrevoked = (CertificateState.ACTIVE, CertificateState.ON_HOLD)
    await store.commit([SetCertificateState(*key, None, unrevoked, CertificateState.ON_HOLD, NOW, 6)])
    await store.commit([SetCertificateState(*key, None, unrevoked, CertificateState.ACTIVE)])
    assert await store.certificate(*key) == CERTIFICATE
    await store.commit([SetCertificateState(*key, None, unrevoked, CertificateState.REVOKED, NOW, 1)])
    expected = replace(CERTIFICATE, state=CertificateState.REVOKED, revoked=NOW, reason=1)
    assert await store.certificate(*key) == expected


async def test_an_archived_certificate_is_out_of_the_way_but_not_lost(store: Store) -> None:
    await store.commit([AddCertificate(CERTIFICATE), AddCertificate(REVOKED)])
    await store.commit([ArchiveCertificate(REVOKED.ca, REVOKED.serial, NOW)])
    assert await store.certificate(REVOKED.ca, REVOKED.serial) is None
    assert await store.count_certificates("state") == {"active": 1}
    assert [one async for one in store.certificates(CertificateQuery())] == [CERTIFICATE]
    assert [one async for one in store.archived_certificates()] == [REVOKED]


@pytest.mark.parametrize(
    ("most", "after", "excluding"),
    [
        (1, NOW, None),
        (0, CERTIFICATE.not_after, None),
        (0, NOW, (CERTIFICATE.ca, CERTIFICATE.serial)),
    ],
    ids=["as many as may be", "it has ended by then", "it is the one to be replaced"],
)
async def test_a_limit_that_is_kept_does_not_stand_in_the_way(
    store: Store, most: int, after: int, excluding: tuple[str, int] | None
) -> None:
    await store.commit([AddCertificate(CERTIFICATE), AddCertificate(REVOKED)])
    await store.commit([LimitActive(ENTITY.id, "p", most, after, excluding)])
    await store.commit([LimitActive(ENTITY.id, "another policy", 0, NOW)])
    await store.commit([LimitActive(OTHER_ENTITY.id, "p", 0, NOW)])


async def test_crl_numbers_grow_for_each_crl_of_each_ca_on_its_own(store: Store) -> None:
    await store.commit([PutCRL(CRL), PutCRL(a_crl(1, ca="other")), PutCRL(a_crl(3, partition=2))])
    later = a_crl(9)
    await store.commit([PutCRL(later)])
    assert await store.crl("issuing", 0) == later
    assert await store.crl("none", 0) is None
    other = await store.crl("other", 0)
    assert other is not None
    assert other.number == 1
    heads = await store.crl_heads("issuing")
    assert [(head.partition, head.number) for head in heads] == [(0, 9), (2, 3)]
    assert heads[0].octets == len(later.der)
    assert await store.crl_heads("none") == []
