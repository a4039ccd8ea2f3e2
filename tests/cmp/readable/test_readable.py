"""Messages for human eyes: nothing is left out, and nothing a stranger sends does harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmpd.cmp.readable import inside, readable, shown, special
from cmpd.cmp.wire import oids
from cmpd.cmp.wire.schema import decode, definitions, encode

MESSAGES = {path.stem: path.read_bytes() for path in (Path(__file__).parents[1] / "messages").glob("*.der")}
KID = "251069b7-bcc3-4911-b312-04327925a1aa"

LINES: dict[str, list[str]] = {
    "ir-pbm": [
        "protectionAlg: PasswordBasedMac",
        "owf: sha256",
        "iterationCount: 500",
        "mac: hmac-SHA1",
        f'senderKID: "{KID}"',
        "body: ir",
        "subject: CN=device, O=Example",
        "extensions: subjectAltName: dNSName device.example, iPAddress 192.0.2.1",
        "popo: signature",
        "algorithmIdentifier: ecdsa-with-SHA256",
    ],
    "ip-pbm": [
        "body: ip",
        "caPubs: CN=Root CA, O=Example",
        "status: accepted (0)",
        "certOrEncCert: certificate: CN=device, O=Example",
        "serialNumber: 0xa2c79649f6a32ab525989e6932b3595c789b489",
        "keyUsage: digitalSignature",
        "basicConstraints (critical)",
        "validity: 2026-11-23T22:11:57Z to 2036-11-20T22:11:57Z",
    ],
    "ir-pbm-rsa": ["owf: sha512", "mac: hmacWithSHA512", "generalInfo: implicitConfirm: NULL"],
    "ir-raVerified": ["popo: raVerified: NULL"],
    "ir-keyEncipherment": ["popo: keyEncipherment: subsequentMessage: encrCert (0)"],
    "certConf-rejection-pbm": [
        "certReqId: -1",
        "status: rejection (2)",
        'statusString: "public key in new certificate does not match our enrollment key"',
        "failInfo: incorrectData",
        "sender: NULL-DN",
    ],
    "error-pbm": [
        "body: error",
        "failInfo: badRequest",
        'errorDetails: "CMP routines", "error processing message"',
    ],
    "kur-signature": ["oldCertID", "issuer: CN=Root CA, O=Example", "extraCerts: CN=device, O=Example"],
    "rr-signature": ["crlEntryDetails: reasonCode: keyCompromise"],
    "p10cr-pbm": ["body: p10cr", "version: v1 (0)"],
    "genm-pbm": ["body: genm: caKeyUpdateInfo: no value"],
    "pkiconf-pbm": ["body: pkiconf: NULL"],
    "pollRep-pbm": ["checkAfter: 1"],
    "ip-waiting-pbm": ["status: waiting (3)"],
}


@pytest.mark.parametrize("name", LINES)
def test_a_message_shows_what_is_in_it(name: str) -> None:
    lines = [line.strip() for line in readable(MESSAGES[name]).splitlines()]
    assert not [line for line in LINES[name] if line not in lines]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_of_openssl_is_readable_to_its_end(name: str) -> None:
    assert "not readable" not in readable(MESSAGES[name])


def _message(body: bytes) -> bytes:
    raw = decode("RawMessage", MESSAGES["pkiconf-pbm"])
    return encode("RawMessage", {**raw, "body": body})


def test_what_is_unreadable_is_shown_as_octets_and_the_rest_all_the_same() -> None:
    text = readable(_message(bytes.fromhex("a003020100")))
    assert "  body: not readable: " in text
    assert "with tag '30', but got '02'" in text
    assert "    octets: a003020100" in text
    assert f'senderKID: "{KID}"' in text


def test_a_body_nobody_knows_is_shown_as_octets() -> None:
    assert "octets: bb00" in readable(_message(b"\xbb\x00"))


def test_nested_messages_are_shown_in_their_place() -> None:
    text = readable(_message(encode("RawBody", ("nested", [MESSAGES["ir-pbm"], MESSAGES["rr-signature"]]))))
    assert "    [0]\n      header\n        pvno: cmp2000 (2)" in text
    assert "    [1]\n      header" in text


def test_messages_nested_without_end_end() -> None:
    der = MESSAGES["pkiconf-pbm"]
    for _ in range(60):
        der = _message(encode("RawBody", ("nested", [der])))
    assert "too deep to be shown" in readable(der)


def test_a_terminal_obeys_nothing_in_a_strangers_text() -> None:
    error = {"pKIStatusInfo": {"status": 2, "statusString": ["\x1b[2J\r\nbody: pkiconf\u202e"]}}
    text = readable(_message(encode("RawBody", ("error", error))))
    assert '"\\u001b[2J\\u000d\\u000abody: pkiconf\\u202e"' in text
    assert "\x1b" not in text


def test_long_octet_strings_are_cut_and_counted_unless_all_is_asked_for() -> None:
    message = MESSAGES["ir-pbm-rsa"]
    assert "… (256 octets)" in readable(message)
    assert "octets)" not in readable(message, octets=len(message))


def test_what_is_no_message_is_one_line_in_the_log() -> None:
    assert shown(b"GET / HTTP/1.1\r\n").startswith("not a PKIMessage, 16 octets: ")
    assert len(shown(b"").splitlines()) == 1


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_no_changed_octet_keeps_a_message_from_being_shown(name: str, data: st.DataObject) -> None:
    der = bytearray(MESSAGES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    assert shown(bytes(der)).isprintable() or "\n" in shown(bytes(der))


def test_the_tables_name_types_that_there_are() -> None:
    named = {*special.FORMS, *inside.MEMBERS.values(), *inside.PARAMETERS.values()}
    named |= {*inside.VALUES.values(), *inside.EXTENSIONS.values()}
    assert named <= set(definitions())


def test_what_has_a_type_has_a_name() -> None:
    assert {*inside.PARAMETERS, *inside.VALUES, *inside.EXTENSIONS} <= set(oids.NAMES)


def test_no_two_object_identifiers_of_a_kind_share_a_name() -> None:
    names = list(oids.NAMES.values())
    assert [name for name in names if names.count(name) > 1] == []
