"""Whatever octets come, the answer is a PKIMessage, and nothing is issued for what nobody protected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import FailInfo
from tests import cmpclient
from tests.clm import pki
from tests.cmp.world import World, ra_holder, signed_by
from tests.cmpclient import requests

KEY = pki.key("P-256", 170)


@pytest.fixture(scope="module")
def messages(world: World) -> dict[str, bytes]:
    """A message of each kind, never sent as it is."""
    device = world.device(number=171)
    crmf = [requests.certificate_request(KEY, "CN=device")]
    client, signer = world.client(), world.client(device)
    genm = requests.general_message("1.3.6.1.5.5.7.4.17")
    confirming = client.begin()
    issued = confirming.send(("ir", crmf)).certificate
    rejecting = client.begin()
    rejecting.send(("ir", crmf))
    return {
        "ir": client.begin().compose(("ir", crmf)),
        "cr": signer.begin().compose(("cr", crmf)),
        "kur": signer.begin().compose(("kur", crmf)),
        "p10cr": client.begin().compose(requests.pkcs10(KEY, "CN=device")),
        "rr": signer.begin().compose(requests.revocation(issued.issuer, issued.serial_number)),
        "genm": client.begin().compose(genm),
        "certConf": confirming.compose(requests.confirmation(issued)),
        "pollReq": confirming.compose(requests.poll_request()),
        "error": rejecting.compose(requests.error("no")),
        "nested": world.client(signed_by(ra_holder()))
        .begin()
        .compose(requests.nested(client.begin().compose(genm))),
    }


KINDS = ("ir", "cr", "kur", "p10cr", "rr", "genm", "certConf", "pollReq", "error", "nested")


@pytest.fixture(autouse=True)
def _no_unexpected_failures(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An internal error is logged, and none is expected."""
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def check_answer(world: World, request: bytes) -> None:
    """A PKIMessage that is protected, and no certificate that was not there before."""
    before = [(record.serial, record.state) for record in world.certificates()]
    reply = world.respond(request, peer="192.0.2.1")
    response = cmpclient.Response.parse(reply.body)
    assert response.protection is not None
    assert len(response.sender_nonce or b"") == 16
    assert response.transaction_id
    assert reply.log_entry.fail_info != FailInfo.systemFailure.name
    assert [(record.serial, record.state) for record in world.certificates()] == before


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_octets_are_answered(world: World, octets: bytes) -> None:
    check_answer(world, octets)


def mutated(original: bytes, data: st.DataObject) -> bytes:
    """The message with some of its octets changed, taken out, put in or repeated; never as it was."""
    octets = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(octets) - 1)))
        match data.draw(st.sampled_from(["flip", "set", "cut", "put", "end", "copy"])):
            case "flip" if octets:
                octets[at] ^= 1 << data.draw(st.integers(0, 7))
            case "set" if octets:
                octets[at] = data.draw(st.sampled_from([0, 1, 0x30, 0x7F, 0x80, 0x84, 0xA0, 0xFF]))
            case "cut":
                del octets[at : at + data.draw(st.integers(1, 8))]
            case "put":
                octets[at:at] = data.draw(st.binary(min_size=1, max_size=8))
            case "end":
                del octets[at:]
            case "copy":
                octets[at:at] = octets[at : at + 16]
    return bytes(octets)


def says_the_same(changed: bytes, original: bytes) -> bool:
    """Whether nothing but extraCerts differs, which no protection covers."""
    try:
        message = schema.decode("RawMessage", changed)
    except schema.DecodeError:
        return False
    parts = ("header", "body", "protection")
    whole = schema.decode("RawMessage", original)
    return all(message.get(part) == whole[part] for part in parts)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_message_changed_anywhere_is_answered_and_not_granted(
    world: World, messages: dict[str, bytes], kind: str, data: Any
) -> None:
    changed = mutated(messages[kind], data)
    if not says_the_same(changed, messages[kind]):
        check_answer(world, changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_cut_anywhere_is_answered_and_not_granted(
    world: World, messages: dict[str, bytes], kind: str
) -> None:
    whole = messages[kind]
    for end in range(0, len(whole), 7):
        check_answer(world, whole[:end])


def protected(world: World, body: bytes) -> bytes:
    """A body of any octets, well protected."""
    return world.client().begin().compose(body)


@settings(max_examples=300)
@given(tag=st.integers(0, 30), content=st.binary(max_size=60))
def test_any_body_is_answered_even_if_it_is_protected_well(world: World, tag: int, content: bytes) -> None:
    check_answer(world, protected(world, bytes([0xA0 | tag, len(content)]) + content))


BODIES = {
    kind: schema.encode("RawBody", (kind, content))
    for kind, content in (
        ("ir", [requests.certificate_request(KEY, "CN=device")]),
        requests.pkcs10(KEY, "CN=device"),
        requests.revocation(pki.name("nobody"), 1, 1),
        requests.general_message("1.3.6.1.5.5.7.4.22", "1.3.6.1.5.5.7.4.16"),
        requests.error("no"),
    )
}


@pytest.mark.parametrize("kind", BODIES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_body_changed_before_it_is_protected_gives_no_internal_error(
    world: World, kind: str, data: Any
) -> None:
    """Its sender may send what it likes; that may even be granted, but never break anything."""
    changed = mutated(BODIES[kind], data)
    reply = world.respond(protected(world, changed or b"\x05\x00"))
    cmpclient.Response.parse(reply.body)
    assert reply.log_entry.fail_info != FailInfo.systemFailure.name
