"""The checks of every message's header, for every body that may come (RFC 9483, sections 3.1 and 3.5).

Each row of the tables is a message that is right but for one thing, and what it is answered with.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cmpd.cmp.wire import schema
from cmpd.cmp.wire.message import FIELDS, Body
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import PBM, World, ra_holder, signed_by
from tests.cmpclient import OMIT, requests

KEY = pki.key("P-256", 80)
CA_CERTS = requests.general_message("1.3.6.1.5.5.7.4.17")
UNKNOWN_CERTIFICATE = requests.revocation(pki.name("nobody"), 1)

Prepared = tuple[cmpclient.Transaction, Any]
"""A transaction, and the body whose turn it is."""


def crmf(kind: str) -> Any:
    return (kind, [requests.certificate_request(KEY, "CN=device")])


def first(body: Any, protection: cmpclient.Protection = PBM) -> Callable[[World], Prepared]:
    return lambda world: (world.client(protection).begin(), body)


def key_update(world: World) -> Prepared:
    return world.client(world.device(number=81)).begin(), crmf("kur")


def nested(world: World) -> Prepared:
    inner = world.client().begin().compose(CA_CERTS)
    return world.client(signed_by(ra_holder())).begin(), requests.nested(inner)


FIRST: dict[str, Callable[[World], Prepared]] = {
    "ir": first(crmf("ir")),
    "cr": first(crmf("cr")),
    "p10cr": first(requests.pkcs10(KEY, "CN=device")),
    "kur": key_update,
    "rr": first(UNKNOWN_CERTIFICATE),
    "genm": first(CA_CERTS),
    "nested": nested,
}


def confirmation(world: World) -> Prepared:
    transaction = world.client().begin()
    return transaction, requests.confirmation(transaction.send(crmf("ir")).certificate)


def given_up(world: World) -> Prepared:
    transaction = world.client().begin()
    transaction.send(crmf("ir"))
    return transaction, requests.error("enough")


LATER: dict[str, Callable[[World], Prepared]] = {"certConf": confirmation, "error": given_up}


def early(world: World) -> Any:
    return world.time - timedelta(seconds=301)


def late(world: World) -> Any:
    return world.time + timedelta(seconds=301)


HEADERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "3.1 pvno is 0": ({"pvno": 0}, "unsupportedVersion", "pvno 0 is not supported"),
    "3.1 pvno is 1, cmp1999": ({"pvno": 1}, "unsupportedVersion", "pvno 1 is not supported"),
    "3.1 pvno is 4, to come": ({"pvno": 4}, "unsupportedVersion", "2 and 3 are"),
    "3.1 pvno is negative": ({"pvno": -2}, "unsupportedVersion", "pvno -2"),
    "3.5 messageTime is too early": ({"message_time": early}, "badTime", "301 seconds from"),
    "3.5 messageTime is too late": ({"message_time": late}, "badTime", "300 are tolerated"),
    "3.1 transactionID is missing": ({"transaction_id": OMIT}, "badDataFormat", "transactionID is missing"),
    "3.1 transactionID is empty": ({"transaction_id": b""}, "badDataFormat", "transactionID is missing"),
    "3.1 transactionID is too long": ({"transaction_id": bytes(129)}, "badDataFormat", "longer than 128"),
    "3.1 senderNonce is missing": ({"sender_nonce": OMIT}, "badSenderNonce", "senderNonce is missing"),
    "3.1 senderNonce is empty": ({"sender_nonce": b""}, "badSenderNonce", "has 0 octets"),
    "3.1 senderNonce is short": ({"sender_nonce": bytes(15)}, "badSenderNonce", "16 to 128 are expected"),
    "3.1 senderNonce is too long": ({"sender_nonce": bytes(129)}, "badSenderNonce", "has 129 octets"),
    "3.5 protectionAlg is missing": ({"protection_alg": OMIT}, "badMessageCheck", "protectionAlg is missing"),
    "3.5 protection is missing": (
        {"tamper": lambda bits: OMIT},
        "badMessageCheck",
        "protection is missing",
    ),
    "3.5 both are missing": (
        {"tamper": lambda bits: OMIT, "protection_alg": OMIT},
        "badMessageCheck",
        "is missing",
    ),
    "3.5 protectionAlg is unknown": (
        {"protection_alg": {"algorithm": "1.2.3.4"}},
        "badAlg",
        "1.2.3.4 is not supported",
    ),
    "3.5 protectionAlg is a digest": (
        {"protection_alg": {"algorithm": "2.16.840.1.101.3.4.2.1"}},
        "badAlg",
        "is not supported",
    ),
    "3.5 protection is wrong by a bit": (
        {"tamper": lambda bits: bits[:-1] + bytes([bits[-1] ^ 1])},
        "badMessageCheck",
        "",
    ),
    "3.5 protection is empty": ({"tamper": lambda bits: b""}, "badMessageCheck", ""),
}

RECIP_NONCES: dict[str, tuple[dict[str, Any], str, str]] = {
    "3.5 recipNonce is missing": (
        {"recip_nonce": OMIT},
        "badRecipientNonce",
        "not the senderNonce of the message before",
    ),
    "3.5 recipNonce is another": ({"recip_nonce": bytes(16)}, "badRecipientNonce", "not the senderNonce"),
    "3.5 recipNonce is cut short": ({"recip_nonce": b""}, "badRecipientNonce", "not the senderNonce"),
}


def check_refusal(
    world: World, transaction: cmpclient.Transaction, request: bytes, fail_info: str, text: str
) -> None:
    """An error of that kind, protected, that answers this request; and the store is as before."""
    before = world.kept()
    response = transaction.send_as_is(request)
    assert response.kind == "error"
    assert response.status == "rejection"
    assert response.fail_info == (fail_info,)
    assert text in response.text
    asked = cmpclient.Response.parse(request)
    assert response.transaction_id
    if asked.transaction_id:
        assert response.transaction_id == asked.transaction_id
    assert response.recip_nonce == asked.sender_nonce
    assert response.sender_nonce != asked.sender_nonce
    assert len(response.sender_nonce or b"") == 16
    assert response.header["pvno"] == (asked.header["pvno"] if asked.header["pvno"] in (2, 3) else 3)
    if response.extra_certs:
        response.verify_signature(world.authority)
    else:
        response.verify_mac(PBM.secret)
    assert world.kept() == before


def compose(world: World, prepared: Prepared, changes: dict[str, Any]) -> bytes:
    transaction, body = prepared
    moment = changes.get("message_time")
    fields = {**changes, "message_time": moment(world)} if moment else changes
    return transaction.compose(body, **fields)


@pytest.mark.parametrize("kind", [*FIRST, *LATER])
@pytest.mark.parametrize("row", HEADERS)
def test_a_header_with_one_mistake_is_refused(world: World, kind: str, row: str) -> None:
    changes, fail_info, text = HEADERS[row]
    prepared = {**FIRST, **LATER}[kind](world)
    if kind in LATER and "transaction_id" in changes:
        fail_info, text = "badDataFormat", "transactionID"
    check_refusal(world, prepared[0], compose(world, prepared, changes), fail_info, text)


@pytest.mark.parametrize("kind", [kind for kind in FIRST if kind != "nested"])
def test_a_recipnonce_in_a_first_message_is_refused(world: World, kind: str) -> None:
    prepared = FIRST[kind](world)
    request = compose(world, prepared, {"recip_nonce": bytes(16)})
    check_refusal(
        world, prepared[0], request, "badRecipientNonce", "no place in a transaction's first message"
    )


@pytest.mark.parametrize("kind", LATER)
@pytest.mark.parametrize("row", RECIP_NONCES)
def test_a_later_message_answers_the_one_before(world: World, kind: str, row: str) -> None:
    changes, fail_info, text = RECIP_NONCES[row]
    prepared = LATER[kind](world)
    check_refusal(world, prepared[0], compose(world, prepared, changes), fail_info, text)


@pytest.mark.parametrize("kind", LATER)
def test_a_later_message_belongs_to_an_open_transaction(world: World, kind: str) -> None:
    prepared = LATER[kind](world)
    request = compose(world, prepared, {"transaction_id": bytes(range(16))})
    check_refusal(world, prepared[0], request, "badRequest", "no transaction is open")


@pytest.mark.parametrize("kind", [kind for kind in FIRST if kind != "nested"])
def test_a_transactionid_in_use_begins_no_second_transaction(world: World, kind: str) -> None:
    began = world.client().begin()
    began.send(crmf("ir"))
    prepared = FIRST[kind](world)
    request = compose(world, prepared, {"transaction_id": began.transaction_id})
    check_refusal(world, prepared[0], request, "transactionIdInUse", "in use")


NOT_SERVED: dict[str, Any] = {
    "ip": {"response": []},
    "cp": {"response": []},
    "popdecc": [],
    "kup": {"response": []},
    "krr": [],
    "krp": b"\x30\x00",
    "rp": {"status": []},
    "ccr": [],
    "ccp": {"response": []},
    "ckuann": b"\x30\x00",
    "cann": b"\x30\x00",
    "rann": b"\x30\x00",
    "crlann": [],
    "pkiconf": None,
    "genp": [],
    "pollRep": [],
}


def test_every_body_of_cmp_is_served_or_refused() -> None:
    compiled = {*FIRST, *LATER, "pollReq", "popdecr"}
    assert compiled | set(NOT_SERVED) == set(FIELDS.values())
    assert not compiled & set(NOT_SERVED)


@pytest.mark.parametrize("kind", NOT_SERVED)
def test_bodies_that_no_client_sends_are_refused(world: World, kind: str) -> None:
    transaction = world.client().begin()
    request = transaction.compose((kind, NOT_SERVED[kind]))
    check_refusal(world, transaction, request, "badRequest", f"body type {kind} is not supported")


@pytest.mark.parametrize("tag", [tag for tag in range(27, 31) if tag not in list(Body)])
def test_bodies_that_cmp_does_not_know_are_refused(world: World, tag: int) -> None:
    transaction = world.client().begin()
    request = transaction.compose(bytes([0xA0 | tag, 2, 5, 0]))
    check_refusal_of_unknown(world, transaction, request, tag)


def check_refusal_of_unknown(
    world: World, transaction: cmpclient.Transaction, request: bytes, tag: int
) -> None:
    response = transaction.send_as_is(request)
    assert response.fail_info == ("badRequest",)
    assert f"[{tag}]" in response.text
    response.verify_mac(PBM.secret)


# What is fine


TOLERATED: dict[str, dict[str, Any]] = {
    "no messageTime": {"message_time": lambda world: OMIT},
    "messageTime as early as may be": {"message_time": lambda world: world.time - timedelta(seconds=300)},
    "messageTime as late as may be": {"message_time": lambda world: world.time + timedelta(seconds=300)},
    "a recipient": {"recipient": pki.name("the CA")},
    "a recipKID": {"recip_kid": b"whoever"},
    "freeText": {"free_text": ["hello"]},
    "generalInfo that nobody knows": {"general_info": {"1.2.3.4": b"\x05\x00", "1.2.3.5": None}},
    "the longest senderNonce": {"sender_nonce": bytes(range(128))},
    "pvno 3": {"pvno": 3},
}


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("row", TOLERATED)
def test_what_the_profile_leaves_open_is_no_mistake(world: World, kind: str, row: str) -> None:
    prepared = FIRST[kind](world)
    response = prepared[0].send_as_is(compose(world, prepared, TOLERATED[row]))
    assert response.kind != "error"
    assert response.header["pvno"] == (3 if row == "pvno 3" and kind != "nested" else 2)


@pytest.mark.parametrize("row", ["no messageTime", "a recipient", "pvno 3"])
@pytest.mark.parametrize("kind", LATER)
def test_what_is_open_in_later_messages_is_no_mistake(world: World, kind: str, row: str) -> None:
    prepared = LATER[kind](world)
    assert prepared[0].send_as_is(compose(world, prepared, TOLERATED[row])).kind == "pkiconf"


def test_any_time_is_fine_where_none_is_checked(make_world: MakeWorld) -> None:
    world = make_world(time_tolerance=0)
    transaction = world.client().begin(message_time=world.time - timedelta(days=4000))
    assert transaction.send(CA_CERTS).kind == "genp"


def test_one_mistake_is_told_even_where_there_are_several(world: World) -> None:
    transaction = world.client().begin()
    request = transaction.compose(CA_CERTS, pvno=9, sender_nonce=OMIT, transaction_id=OMIT)
    check_refusal(world, transaction, request, "unsupportedVersion", "pvno 9")


# What is no PKIMessage


def octets(world: World) -> bytes:
    return world.client().begin().compose(crmf("ir"))


def indefinite(world: World) -> bytes:
    """The message with an outer length that BER would allow."""
    der = octets(world)
    header = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    return b"\x30\x80" + der[header:] + b"\x00\x00"


RUBBISH: dict[str, Callable[[World], bytes]] = {
    "nothing": lambda world: b"",
    "a zero octet": lambda world: b"\x00",
    "text": lambda world: b"GET / HTTP/1.1\r\n\r\n",
    "an empty SEQUENCE": lambda world: b"\x30\x00",
    "NULL": lambda world: b"\x05\x00",
    "a message with an octet behind it": lambda world: octets(world) + b"\x00",
    "a message twice": lambda world: octets(world) * 2,
    "a message without its last octet": lambda world: octets(world)[:-1],
    "half a message": lambda world: octets(world)[: len(octets(world)) // 2],
    "a message of indefinite length": indefinite,
    "a message in a SET": lambda world: b"\x31" + octets(world)[1:],
    "a length beyond the end": lambda world: b"\x30\x84\xff\xff\xff\xff" + bytes(64),
    "a length of more octets than there are": lambda world: b"\x30\xff" + bytes(20),
    "a thousand levels": lambda world: b"\x30\x80" * 1000,
    "a header without body": lambda world: schema.encode(
        "RawName", [schema.decode("RawMessage", octets(world))["header"]]
    ),
    "a body that is a SEQUENCE": lambda world: schema.encode(
        "RawMessage", {**schema.decode("RawMessage", octets(world)), "body": b"\x30\x00"}
    ),
    "a body of other content": lambda world: schema.encode(
        "RawMessage", {**schema.decode("RawMessage", octets(world)), "body": b"\xa0\x02\x05\x00"}
    ),
    "a header that is a SET": lambda world: schema.encode(
        "RawMessage", {**schema.decode("RawMessage", octets(world)), "header": b"\x31\x00"}
    ),
    "protection of five bits": lambda world: schema.encode(
        "RawMessage", {**schema.decode("RawMessage", octets(world)), "protection": (b"\xf8", 5)}
    ),
}


@pytest.mark.parametrize("what", RUBBISH)
def test_what_is_no_pkimessage_is_refused_in_a_signed_error(world: World, what: str) -> None:
    request = RUBBISH[what](world)
    before = world.kept()
    reply = world.respond(request)
    response = cmpclient.Response.parse(reply.body)
    assert response.kind == "error"
    assert response.fail_info == ("badDataFormat",)
    assert response.text == "the request is not a DER-encoded PKIMessage"
    assert response.header["pvno"] == 3
    response.verify_signature(world.authority)
    assert world.kept() == before
