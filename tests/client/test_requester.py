"""The client that `cmpd selftest` uses: it gets what it may, and takes no answer that a client should not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.client import requester
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD
from cmpd.clm.model import CertificateState
from cmpd.cmp.protection import signature
from cmpd.cmp.wire import message, schema
from cmpd.cmp.wire.message import Body
from tests.cmp.world import World

T = TypeVar("T")
SUBJECT = x509.Name.from_rfc4514_string("CN=device")
PASSWORD = requester.MacProtection(DEMO_ENTITY.encode(), DEMO_PASSWORD.encode())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A responder that takes the time of the client's own clock."""
    made = World(Path(tmp_path_factory.mktemp("world")), settings={"time_tolerance": 0})
    yield made
    made.close()


def _done(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it waits")


def _to(world: World, spoil: Callable[[bytes], bytes] = bytes) -> Callable[[bytes], Awaitable[bytes]]:
    """Sends to the responder; `spoil` is done to what comes back."""

    async def send(request: bytes) -> bytes:
        return spoil(world.respond(request).body)

    return send


def test_it_enrols_confirms_updates_and_revokes(world: World) -> None:
    send = _to(world)
    identity, transaction = _done(requester.enrol(send, PASSWORD, Body.IR, SUBJECT))
    _done(requester.confirm(transaction, identity))
    updated, transaction = _done(requester.enrol(send, identity, Body.KUR, SUBJECT))
    _done(requester.confirm(transaction, updated))
    _done(requester.revoke(send, updated))
    states = {one.serial: one.state for one in world.certificates()}
    assert states[identity.certificate.serial_number] is CertificateState.ACTIVE
    assert states[updated.certificate.serial_number] is CertificateState.REVOKED
    with pytest.raises(requester.ResponseRejected, match="certRevoked"):
        _done(requester.enrol(send, updated, Body.KUR, SUBJECT))


def test_what_the_server_refuses_is_told_in_its_words(world: World) -> None:
    wrong = requester.MacProtection(PASSWORD.reference, b"wrong")
    with pytest.raises(
        requester.ResponseRejected, match="rejection, badMessageCheck, protection does not verify"
    ):
        _done(requester.enrol(_to(world), wrong, Body.IR, SUBJECT))


def test_an_answer_to_something_else_is_not_taken(world: World) -> None:
    answers: list[bytes] = []

    def kept(answer: bytes) -> bytes:
        answers.append(answer)
        return answers[0]

    _done(requester.enrol(_to(world, kept), PASSWORD, Body.IR, SUBJECT))
    with pytest.raises(requester.ResponseRejected, match="of another transaction"):
        _done(requester.enrol(_to(world, kept), PASSWORD, Body.IR, SUBJECT))


def test_the_last_answer_again_is_no_answer(world: World) -> None:
    answers: list[bytes] = []

    def kept(answer: bytes) -> bytes:
        answers.append(answer)
        return answers[0]

    identity, transaction = _done(requester.enrol(_to(world, kept), PASSWORD, Body.IR, SUBJECT))
    with pytest.raises(requester.ResponseRejected, match="recipNonce"):
        _done(requester.confirm(transaction, identity))


def test_an_answer_that_was_changed_on_its_way_is_not_taken(world: World) -> None:
    def changed(answer: bytes) -> bytes:
        assert answer.count(b"device") >= 1
        return answer.replace(b"device", b"Device")

    with pytest.raises(requester.ResponseRejected, match="MAC does not verify"):
        _done(requester.enrol(_to(world, changed), PASSWORD, Body.IR, SUBJECT))


def test_an_answer_that_a_device_signs_is_not_taken(world: World) -> None:
    """A device with a certificate of the same CA, whatever its name, is no CMP signer."""
    identity, transaction = _done(requester.enrol(_to(world), PASSWORD, Body.IR, SUBJECT))
    _done(requester.confirm(transaction, identity))
    device = world.device("CN=impostor", 190)

    def impostor(body: bytes) -> bytes:
        answer = message.parse(body)
        algorithm, sign = signature.signer_algorithm(device.key)
        header = {**schema.decode("RawHeader", answer.header_der), "protectionAlg": algorithm}
        header_der = schema.encode("RawHeader", header)
        protection = sign(message.protected_part(header_der, answer.body_der))
        chain = (device.certificate, world.authority)
        extra = tuple(one.public_bytes(Encoding.DER) for one in chain)
        return message.encode(header_der, answer.body_der, protection, extra)

    with pytest.raises(requester.ResponseRejected, match="does not have id-kp-cmcCA"):
        _done(requester.enrol(_to(world, impostor), identity, Body.KUR, SUBJECT))
