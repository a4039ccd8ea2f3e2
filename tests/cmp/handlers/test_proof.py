"""Keys that decrypt and do not sign: challenge and response (RFC 9810, section 5.2.8.3.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding

from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY
from cmpd.clm.model import CertificateState, TransactionState
from cmpd.clm.store.changes import UpdateEntity
from cmpd.cmp.protection.hashing import NULL
from cmpd.cmp.wire import schema
from tests.clm import pki
from tests.cmp.cms import reader
from tests.cmp.conftest import MakeWorld
from tests.cmp.handlers.test_decryption import CHOICES, asked
from tests.cmp.world import OTHER_PBM, World
from tests.cmpclient import requests
from tests.cmpclient.client import IMPLICIT_CONFIRM, Transaction
from tests.cmpclient.message import Body
from tests.cmpclient.response import Response


def challenge(kind: str = "ir", key: str = "RSA", **fields: Any) -> Body:
    """A request that asks to be challenged."""
    return asked(kind, key, (CHOICES[key], ("subsequentMessage", 1)), **fields)


def answer(folder: Path, popdecc: Response, key: Any) -> int:
    """The number in the one challenge, by the private key; the sender in it is the message's."""
    assert popdecc.kind == "popdecc"
    [item] = popdecc.content
    if item["challenge"]:
        rand = schema.decode("RawRand", key.decrypt(item["challenge"], padding.PKCS1v15()))
    else:
        value = schema.decode("RawEnvelopedData", item["encryptedRand"])
        rand = schema.decode("RawRand", reader.openssl_decrypt(folder, value, key))
    assert rand["sender"] == popdecc.header["sender"]
    number: int = rand["int"]
    return number


def challenged(world: World, folder: Path, **fields: Any) -> tuple[Transaction, int]:
    """A transaction in which a challenge was sent, and the right answer."""
    transaction = world.client(pvno=3).begin(**fields)
    return transaction, answer(folder, transaction.send(challenge()), pki.key("RSA", 70))


@pytest.mark.parametrize(("pvno", "key"), [(2, "RSA"), (3, "RSA"), (3, "P-256"), (3, "P-384"), (3, "P-521")])
@pytest.mark.parametrize(("kind", "response_kind"), [("ir", "ip"), ("cr", "cp")])
def test_there_is_a_certificate_once_the_challenge_is_answered(
    world: World, tmp_path: Path, kind: str, response_kind: str, pvno: int, key: str
) -> None:
    before = len(world.certificates())
    transaction = world.client(pvno=pvno).begin()
    popdecc = transaction.send(challenge(kind, key))
    assert len(world.certificates()) == before
    number = answer(tmp_path, popdecc, pki.key(key, 70))
    response = transaction.send(requests.challenge_response(number))
    assert (response.kind, response.status) == (response_kind, "accepted")
    assert response.certificate.public_key() == pki.key(key, 70).public_key()
    assert world.state(response.certificate) is CertificateState.UNCONFIRMED
    transaction.confirm(response)
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_a_key_update_can_be_challenged(world: World, tmp_path: Path) -> None:
    transaction = world.client(world.device("CN=challenged", 72), pvno=3).begin()
    popdecc = transaction.send(challenge("kur", "P-256", subject="CN=challenged"))
    number = answer(tmp_path, popdecc, pki.key("P-256", 70))
    response = transaction.send(requests.challenge_response(number))
    assert (response.kind, response.status) == ("kup", "accepted")


def test_implicit_confirmation_is_granted_since_possession_is_proved(world: World, tmp_path: Path) -> None:
    transaction, number = challenged(world, tmp_path, general_info={IMPLICIT_CONFIRM: NULL})
    response = transaction.send(requests.challenge_response(number))
    assert IMPLICIT_CONFIRM in response.general_info
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_what_needs_approval_waits_after_the_challenge(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world({"approvals": 1})
    transaction, number = challenged(world, tmp_path)
    assert transaction.send(requests.challenge_response(number)).status == "waiting"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    [response] = transaction.poll()
    assert response.status == "accepted"
    transaction.confirm(response)


def test_a_restart_between_challenge_and_answer_does_no_harm(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world()
    transaction, number = challenged(world, tmp_path)
    world.restart()
    assert transaction.send(requests.challenge_response(number)).status == "accepted"


def test_the_answer_again_gets_the_same_bytes(world: World, tmp_path: Path) -> None:
    transaction, number = challenged(world, tmp_path)
    request = transaction.compose(requests.challenge_response(number))
    transport = transaction.client.transport
    assert transport(request) == transport(request)


def test_a_password_with_one_use_is_used_once(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world()
    demo = world.run(world.store.entity(DEMO_ENTITY))
    assert demo is not None
    world.run(world.store.commit((UpdateEntity(replace(demo, password_uses=2)),)))
    transaction, number = challenged(world, tmp_path)
    assert transaction.send(requests.challenge_response(number)).status == "accepted"
    left = world.run(world.store.entity(DEMO_ENTITY))
    assert left is not None
    assert left.password_uses == 1


WRONG: dict[str, Callable[[int], tuple[int, ...]]] = {
    "another": lambda right: (right ^ 1,),
    "negative": lambda right: (-right,),
    "zero": lambda right: (0,),
    "huge": lambda right: (right << 4000,),
    "none": lambda right: (),
    "twice": lambda right: (right, right),
    "hidden": lambda right: (0, right),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_badPOP_and_ends_the_transaction(world: World, tmp_path: Path, wrong: str) -> None:
    before = len(world.certificates())
    transaction, number = challenged(world, tmp_path)
    response = transaction.send(requests.challenge_response(*WRONG[wrong](number)))
    assert (response.kind, response.fail_info) == ("ip", ("badPOP",))
    again = transaction.send(requests.challenge_response(number))
    assert again.fail_info == ("badRequest",)
    assert len(world.certificates()) == before


def test_an_answer_that_comes_too_late_is_badRequest(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world({"confirm_wait": "5m"})
    before = world.certificates()
    transaction, number = challenged(world, tmp_path)
    world.now += 301
    response = transaction.send(requests.challenge_response(number), message_time=world.time)
    assert response.fail_info == ("badRequest",)
    assert "time" in response.text
    assert world.certificates() == before


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (("certConf", []), "badRequest"),
        (requests.poll_request(), "badRequest"),
        (challenge(), "transactionIdInUse"),
    ],
    ids=["certConf", "pollReq", "ir"],
)
def test_nothing_but_the_answer_is_expected(world: World, tmp_path: Path, body: Body, failure: str) -> None:
    transaction, _ = challenged(world, tmp_path)
    first = body[0] == "ir"
    response = transaction.send(body, **({"recip_nonce": None} if first else {}))
    assert response.fail_info == (failure,)


def test_an_error_from_the_client_ends_the_transaction(world: World, tmp_path: Path) -> None:
    transaction, number = challenged(world, tmp_path)
    assert transaction.send(requests.error("I cannot decrypt this")).kind == "pkiconf"
    assert transaction.send(requests.challenge_response(number)).fail_info == ("badRequest",)


def test_somebody_else_cannot_answer(world: World, tmp_path: Path) -> None:
    transaction, number = challenged(world, tmp_path)
    message = transaction.compose(requests.challenge_response(number), protection=OTHER_PBM)
    assert Response.parse(world.respond(message).body).fail_info == ("badMessageCheck",)


def test_an_answer_without_a_challenge_is_badRequest(world: World) -> None:
    response = world.client().begin().send(requests.challenge_response(1), recip_nonce=bytes(16))
    assert response.fail_info == ("badRequest",)


@pytest.mark.parametrize(
    ("pvno", "body", "failure"),
    [
        (2, challenge(key="P-256"), "badPOP"),
        (3, challenge(serialNumber=1), "badCertTemplate"),
        (3, challenge("kur"), "wrongIntegrity"),
    ],
    ids=["EC-under-pvno-2", "serialNumber", "kur-under-a-MAC"],
)
def test_what_would_be_refused_is_not_challenged(world: World, pvno: int, body: Body, failure: str) -> None:
    response = world.client(pvno=pvno).begin().send(body)
    assert response.fail_info == (failure,)
