"""What a request begins with, by one look into the store."""

from __future__ import annotations

from dataclasses import replace

from cmpd.clm.model import TransactionRequest, TransactionState
from cmpd.clm.store.base import RequestState, Store
from cmpd.clm.store.changes import AddCertificate, AddEntity, OpenTransaction, PutObject
from tests.support.records import a_certificate, a_transaction, an_entity, an_object


async def test_nothing_is_found_where_nothing_is(store: Store) -> None:
    assert await store.request_state(b"", "") == RequestState(0, None, None, None)


async def test_the_transaction_comes_with_its_certificate_and_beside_it_the_entity(store: Store) -> None:
    certificate, entity = a_certificate(), an_entity()
    granted = TransactionRequest(0, TransactionState.CONFIRMING, (certificate.ca, certificate.serial))
    transaction = a_transaction(requests=(granted,))
    await store.commit([AddCertificate(certificate), AddEntity(entity), OpenTransaction(transaction)])
    known = replace(entity, version=1)
    assert await store.request_state(transaction.id, entity.id) == RequestState(
        0, transaction, certificate, known
    )
    assert await store.request_state(transaction.id, "") == RequestState(0, transaction, certificate, None)
    assert await store.request_state(b"another", entity.id) == RequestState(0, None, None, known)


async def test_a_transaction_without_a_certificate_comes_alone(store: Store) -> None:
    transaction = a_transaction()
    await store.commit([OpenTransaction(transaction)])
    assert await store.request_state(transaction.id, "") == RequestState(0, transaction, None, None)


async def test_the_change_counter_is_the_one_that_changes_have_moved(store: Store) -> None:
    await store.commit([PutObject(an_object())])
    assert (await store.request_state(b"", "")).counter == await store.change_counter() == 1
