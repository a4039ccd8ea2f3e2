"""Whoever guesses at a shared secret is slowed down, by whatever name, at whatever process."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import pytest

from cmpd.clm.client import Client
from cmpd.clm.entities.throttle import FREE
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY
from cmpd.clm.store.base import Store
from cmpd.cmp.protection.mac import MacAlgorithm
from cmpd.cmp.responder import Responder
from cmpd.cmp.transaction.exchange import TransportRequest
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MASTER_KEY, PBM, World
from tests.cmpclient import requests

BODY = ("ir", [requests.certificate_request(pki.key("P-256", 95), "CN=device")])
SPELLINGS = [DEMO_ENTITY.upper(), DEMO_ENTITY.title()]
"""UUIDs are compared without regard to case (RFC 9562, section 4)."""
NO_SPELLINGS = [
    DEMO_ENTITY.replace("251069b7-bcc3", "2510-69b7bcc3"),
    "{" + DEMO_ENTITY.replace("-", "", 2) + "}",
]
"""What uuid.UUID would take for the demo entity's all the same."""


def _guess(world: World, reference: str, peer: str) -> tuple[str, ...]:
    answer = world.client(cmpclient.PBM(reference, "wrong"), call={"peer": peer}).begin().send(BODY)
    return answer.fail_info


def test_an_entity_is_one_however_its_uuid_is_spelled_and_wherever_it_is_guessed_from(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    outcomes = [
        _guess(world, SPELLINGS[number % len(SPELLINGS)], f"10.0.0.{number}") for number in range(FREE + 3)
    ]
    assert outcomes == [("badMessageCheck",)] * (FREE + 1) + [("systemUnavail",)] * 2


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_the_entitys(make_world: MakeWorld, spelling: str) -> None:
    world = make_world()
    protection = cmpclient.PBM(spelling, PBM.secret)
    assert world.client(protection).begin().send(BODY).status == "accepted"


@pytest.mark.parametrize("spelling", NO_SPELLINGS)
def test_what_has_a_uuids_digits_and_not_its_form_is_nobodys(make_world: MakeWorld, spelling: str) -> None:
    world = make_world()
    transaction = world.client(cmpclient.PBM(spelling, PBM.secret)).begin()
    assert transaction.send_as_is(transaction.compose(BODY)).fail_info == ("badMessageCheck",)


def test_who_has_the_secret_is_told_to_wait_in_words_and_served_afterwards(make_world: MakeWorld) -> None:
    world = make_world()
    for number in range(FREE + 3):
        _guess(world, DEMO_ENTITY, f"10.0.0.{number}")
    refused = world.client(call={"peer": "192.0.2.1"}).begin().send(BODY)
    assert refused.fail_info == ("systemUnavail",)
    assert refused.text.startswith("too many failed attempts, try again in ")
    world.clm.credentials.throttle.succeeded(DEMO_ENTITY, "192.0.2.1")
    assert world.client(call={"peer": "192.0.2.1"}).begin().send(BODY).status == "accepted"


def test_another_worker_on_the_store_goes_on_counting(make_world: MakeWorld) -> None:
    world = make_world()
    for number in range(FREE + 3):
        _guess(world, DEMO_ENTITY, f"10.0.0.{number}")

    async def at_another_worker(body: bytes) -> str:
        await world.clm.credentials.attempts.exchange()
        clm = await Client.login(
            world.store, MASTER_KEY, "cmpd", world._secret, clock=lambda: world.now, random=os.urandom
        )
        await clm.credentials.attempts.exchange()
        reply = await Responder(clm, world.settings).respond(TransportRequest(body, peer="192.0.2.1"))
        return reply.log_entry.fail_info

    body = world.client().begin().compose(BODY)
    assert world.run(at_another_worker(body)) == "systemUnavail"


def _guess_at_once(world: World, bodies: list[bytes]) -> Counter[str]:
    """What becomes of messages that come while one's key is derived, in a thread or by a store far away."""

    async def derive(algorithm: MacAlgorithm, secret: bytes) -> bytes:
        await asyncio.sleep(0.01)
        return algorithm.derive(secret)

    async def guess() -> list[str]:
        responder = Responder(world.clm, world.settings, derive)
        calls = (
            responder.respond(TransportRequest(body, peer=f"10.0.0.{number}"))
            for number, body in enumerate(bodies)
        )
        return [reply.log_entry.fail_info for reply in await asyncio.gather(*calls)]

    return Counter(world.run(guess()))


def test_of_guesses_made_at_once_no_more_are_looked_at_than_one_after_the_other(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    wrong = world.client(cmpclient.PBM(DEMO_ENTITY, "wrong"))
    outcomes = _guess_at_once(world, [wrong.begin().compose(BODY) for _ in range(40)])
    assert outcomes == {"badMessageCheck": FREE + 1, "systemUnavail": 39 - FREE}


def test_who_is_told_to_wait_cannot_tell_by_the_time_whether_the_entity_is_there(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever guessed at once with others, and was told to wait after the key was derived, was spared a
    lookup where the entity is there."""
    lookups = []
    for reference in (DEMO_ENTITY, "0" * 8 + DEMO_ENTITY[8:]):
        world = make_world()
        with monkeypatch.context() as patch:
            done: list[bytes] = []

            async def noted(self: Store, reference: bytes, done: list[bytes] = done) -> None:
                done.append(reference)

            patch.setattr(type(world.store), "entity_by_reference", noted)
            wrong = world.client(cmpclient.PBM(reference, "wrong"))
            outcomes = _guess_at_once(world, [wrong.begin().compose(BODY) for _ in range(20)])
        assert outcomes["systemUnavail"] == 19 - FREE
        lookups.append(len(done))
    assert lookups == [20, 20]
