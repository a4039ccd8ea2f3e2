"""The same octets get the same answer, whichever process they meet, and however many at once.

A client that is told nothing for a second sends its message again; the copy was refused for what the first
one had just done, and that refusal was all that the client saw.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from cmpd.clm.client import Client
from cmpd.clm.entities.entity_acts import set_password
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD
from cmpd.clm.model import TransactionState
from cmpd.clm.store import open_store
from cmpd.clm.store.base import Store
from cmpd.cmp.responder import Responder
from cmpd.cmp.transaction.exchange import TransportRequest, TransportResponse
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MASTER_KEY, OPERATOR, World
from tests.cmpclient import requests
from tests.cmpclient.client import IMPLICIT_CONFIRM, NULL

KEY = pki.key("P-256", 150)
IR = ("ir", [requests.certificate_request(KEY, "CN=device")])
IMPLICIT = {IMPLICIT_CONFIRM: NULL}
PROCESSES = 4
ROUNDS = 5

Compose = Callable[[World, int], bytes]


def one_time_password(world: World, number: int) -> bytes:
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit(set_password(OPERATOR, MASTER_KEY, entity, DEMO_PASSWORD, uses=1)))
    return world.client().begin().compose(IR)


def at_the_limit(world: World, number: int) -> bytes:
    world.change_policy(max_active=number + 1)
    return world.client().begin(general_info=IMPLICIT).compose(IR)


def confirmation(world: World, number: int) -> bytes:
    transaction = world.client().begin()
    issued = transaction.send(IR)
    return transaction.compose(requests.confirmation(issued.certificate))


def rejection(world: World, number: int) -> bytes:
    transaction = world.client().begin()
    transaction.send(IR)
    return transaction.compose(("certConf", []))


def error(world: World, number: int) -> bytes:
    transaction = world.client().begin()
    transaction.send(IR)
    return transaction.compose(requests.error("no"))


def revocation(world: World, number: int) -> bytes:
    device = world.device(number=151)
    body = requests.revocation(device.certificate.issuer, device.certificate.serial_number)
    return world.client(device).begin().compose(body)


def update_that_revokes(world: World, number: int) -> bytes:
    world.change_policy(old_certificate="revoke", implicit_confirm=True)
    device = world.device(number=152)
    asked = requests.certificate_request(pki.key("P-256", 153), "CN=device")
    return world.client(device).begin(general_info=IMPLICIT).compose(("kur", [asked]))


def poll_for_what_was_approved(world: World, number: int) -> bytes:
    world.change_policy(approvals=1)
    transaction = world.client().begin()
    transaction.send(IR)
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    return transaction.compose(requests.poll_request())


KINDS: dict[str, Compose] = {
    "ir by a one-time password": one_time_password,
    "ir at its limit": at_the_limit,
    "certConf": confirmation,
    "certConf that rejects": rejection,
    "error": error,
    "rr by the certificate itself": revocation,
    "kur that revokes its signer": update_that_revokes,
    "pollReq for what was approved": poll_for_what_was_approved,
}


@pytest.fixture
def processes(make_world: MakeWorld) -> Iterator[tuple[World, list[Responder]]]:
    """A server of several processes on one store, each as if it were the only one."""
    world = make_world()
    stores: list[Store] = []

    async def another() -> Responder:
        store = open_store(str(world.folder / "cmpd.db"), synchronous="normal")
        await store.open()
        stores.append(store)
        clm = await Client.login(
            store, MASTER_KEY, "cmpd", world._secret, clock=lambda: world.now, random=os.urandom
        )
        return Responder(clm, world.settings)

    yield world, [world.responder, *(world.run(another()) for _ in range(PROCESSES - 1))]
    for store in stores:
        world.run(store.close())


@pytest.mark.parametrize("kind", KINDS)
def test_copies_at_once_get_one_answer_and_none_a_refusal(
    processes: tuple[World, list[Responder]], kind: str
) -> None:
    world, responders = processes
    for number in range(ROUNDS):
        request = KINDS[kind](world, number)

        async def send(octets: bytes = request) -> list[TransportResponse]:
            return await asyncio.gather(*(one.respond(TransportRequest(octets)) for one in responders))

        replies = world.run(send())
        told = [(one.log_entry.response, one.log_entry.fail_info, one.log_entry.text) for one in replies]
        assert len({reply.body for reply in replies}) == 1, told
        assert {one.log_entry.fail_info for one in replies} == {""}, told
        assert world.respond(request).body == replies[0].body
