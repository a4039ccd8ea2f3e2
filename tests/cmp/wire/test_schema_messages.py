"""Every message type goes through the schema and back, and rubbish does not go through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmpd.cmp.wire.schema import DecodeError, decode, encode

MESSAGES = {path.stem: path.read_bytes() for path in (Path(__file__).parents[1] / "messages").glob("*.der")}
TIME = datetime(2026, 11, 23, 22, 13, 33)


@pytest.mark.parametrize("name", MESSAGES)
def test_what_openssl_sends_is_the_same_after_decoding_and_encoding(name: str) -> None:
    der = MESSAGES[name]
    value = decode("PKIMessage", der)
    assert value["body"][0] == name.split("-")[0]
    assert encode("PKIMessage", value) == der


@pytest.mark.parametrize("name", MESSAGES)
def test_the_raw_views_cut_what_openssl_sends_into_its_very_octets(name: str) -> None:
    raw = decode("RawMessage", MESSAGES[name])
    assert encode("RawMessage", raw) == MESSAGES[name]
    assert encode("RawHeader", decode("RawHeader", raw["header"])) == raw["header"]
    assert encode("RawBody", decode("RawBody", raw["body"])) == raw["body"]
    part = decode("ProtectedPart", encode("RawProtectedPart", {key: raw[key] for key in ("header", "body")}))
    assert part == {key: decode("PKIMessage", MESSAGES[name])[key] for key in ("header", "body")}


def _certificate() -> Any:
    return decode("PKIMessage", MESSAGES["ip-pbm"])["body"][1]["response"][0]["certifiedKeyPair"][
        "certOrEncCert"
    ][1]


def _name(text: str) -> Any:
    return ("rdnSequence", [[{"type": "2.5.4.3", "value": encode("UTF8Pairs", text)}]])


STATUS = {"status": 2, "statusString": ["no", "не"], "failInfo": (b"\x00\x40", 10)}
ALGORITHM = {"algorithm": "2.16.840.1.101.3.4.2.1"}
CERT_ID = {"issuer": ("directoryName", _name("CA")), "serialNumber": 1 << 150}
CERTIFICATE = _certificate()
ENVELOPED = {
    "version": 0,
    "recipientInfos": [
        (
            "ktri",
            {
                "version": 2,
                "rid": ("subjectKeyIdentifier", b"id"),
                "keyEncryptionAlgorithm": ALGORITHM,
                "encryptedKey": b"key",
            },
        )
    ],
    "encryptedContentInfo": {
        "contentType": "1.2.840.113549.1.7.2",
        "contentEncryptionAlgorithm": ALGORITHM,
        "encryptedContent": b"secret",
    },
}
ENCRYPTED_VALUE = {
    "symmAlg": ALGORITHM,
    "encSymmKey": (b"key", 24),
    "keyAlg": ALGORITHM,
    "encValue": (b"x", 8),
}
TEMPLATE = {
    "version": 2,
    "serialNumber": -1,
    "signingAlg": ALGORITHM,
    "issuer": _name("CA"),
    "validity": {
        "notBefore": ("utcTime", TIME),
        "notAfter": ("generalTime", TIME.replace(microsecond=500_000)),
    },
    "subject": ("rdnSequence", []),
    "publicKey": {"algorithm": ALGORITHM, "subjectPublicKey": (b"\x04\x05", 16)},
    "issuerUID": (b"\x80", 1),
    "subjectUID": (b"", 0),
    "extensions": [{"extnID": "2.5.29.15", "critical": True, "extnValue": b"\x03\x02\x07\x80"}],
}
REQUESTS = [
    {"certReq": {"certReqId": 0, "certTemplate": TEMPLATE}, "popo": ("raVerified", None)},
    {
        "certReq": {
            "certReqId": -1,
            "certTemplate": {},
            "controls": [{"type": "1.3.6.1.5.5.7.5.1.5", "value": encode("CertId", CERT_ID)}],
        },
        "popo": (
            "signature",
            {
                "poposkInput": {
                    "authInfo": ("sender", ("rfc822Name", "a@example.com")),
                    "publicKey": {"algorithm": ALGORITHM, "subjectPublicKey": (b"", 0)},
                },
                "algorithmIdentifier": ALGORITHM,
                "signature": (b"sig", 24),
            },
        ),
        "regInfo": [{"type": "1.3.6.1.5.5.7.5.2.1", "value": encode("UTF8Pairs", "a?b%")}],
    },
    {
        "certReq": {"certReqId": 2, "certTemplate": {}},
        "popo": ("keyEncipherment", ("subsequentMessage", 0)),
    },
    {
        "certReq": {"certReqId": 3, "certTemplate": {}},
        "popo": ("keyAgreement", ("agreeMAC", {"algId": ALGORITHM, "value": (b"mac", 24)})),
    },
    {
        "certReq": {"certReqId": 4, "certTemplate": {}},
        "popo": ("keyAgreement", ("encryptedKey", ENVELOPED)),
    },
]
RESPONSES = {
    "caPubs": [CERTIFICATE],
    "response": [
        {
            "certReqId": 0,
            "status": {"status": 0},
            "certifiedKeyPair": {
                "certOrEncCert": ("certificate", CERTIFICATE),
                "privateKey": ("envelopedData", ENVELOPED),
                "publicationInfo": {"action": 1, "pubInfos": [{"pubMethod": 0}]},
            },
            "rspInfo": b"a?b%",
        },
        {
            "certReqId": 1,
            "status": {"status": 1},
            "certifiedKeyPair": {"certOrEncCert": ("encryptedCert", ("encryptedValue", ENCRYPTED_VALUE))},
        },
        {"certReqId": 2, "status": STATUS},
    ],
}
BODIES: dict[str, list[Any]] = {
    "ir": [REQUESTS],
    "ip": [RESPONSES],
    "cr": [REQUESTS],
    "cp": [RESPONSES],
    "p10cr": [decode("PKIMessage", MESSAGES["p10cr-pbm"])["body"][1]],
    "popdecc": [
        [
            {"owf": ALGORITHM, "witness": b"w", "challenge": b"c"},
            {"witness": b"w", "challenge": b"", "encryptedRand": ENVELOPED},
        ]
    ],
    "popdecr": [[0, -(1 << 200)]],
    "kur": [REQUESTS],
    "kup": [RESPONSES],
    "krr": [REQUESTS],
    "krp": [
        {
            "status": STATUS,
            "newSigCert": CERTIFICATE,
            "caCerts": [CERTIFICATE],
            "keyPairHist": [{"certOrEncCert": ("certificate", CERTIFICATE)}],
        }
    ],
    "rr": [[{"certDetails": TEMPLATE, "crlEntryDetails": TEMPLATE["extensions"]}, {"certDetails": {}}]],
    "rp": [{"status": [STATUS], "revCerts": [CERT_ID]}],
    "ccr": [REQUESTS],
    "ccp": [RESPONSES],
    "ckuann": [
        ("cAKeyUpdAnnV2", dict.fromkeys(("oldWithNew", "newWithOld", "newWithNew"), CERTIFICATE)),
        ("cAKeyUpdAnnV3", {"newWithNew": CERTIFICATE, "oldWithNew": CERTIFICATE}),
    ],
    "cann": [CERTIFICATE],
    "rann": [{"status": 5, "certId": CERT_ID, "willBeRevokedAt": TIME, "badSinceDate": TIME}],
    "crlann": [[]],
    "pkiconf": [None],
    "nested": [[decode("PKIMessage", MESSAGES["ir-pbm"]), decode("PKIMessage", MESSAGES["rr-signature"])]],
    "genm": [[], [{"infoType": "1.3.6.1.5.5.7.4.17"}]],
    "genp": [[{"infoType": "1.3.6.1.5.5.7.4.17", "infoValue": encode("CaCertsValue", [CERTIFICATE])}]],
    "error": [{"pKIStatusInfo": STATUS, "errorCode": 7, "errorDetails": ["because"]}],
    "certConf": [[], [{"certHash": b"hash", "certReqId": 0, "statusInfo": STATUS, "hashAlg": ALGORITHM}]],
    "pollReq": [[{"certReqId": -1}]],
    "pollRep": [[{"certReqId": 0, "checkAfter": 60, "reason": ["wait"]}]],
}
HEADER = {
    "pvno": 3,
    "sender": ("directoryName", _name("sender")),
    "recipient": ("uniformResourceIdentifier", "https://example.com"),
    "messageTime": TIME,
    "protectionAlg": ALGORITHM,
    "senderKID": b"kid",
    "recipKID": b"",
    "transactionID": bytes(16),
    "senderNonce": bytes(16),
    "recipNonce": bytes(16),
    "freeText": ["text"],
    "generalInfo": [{"infoType": "1.3.6.1.5.5.7.4.13", "infoValue": b"\x05\x00"}],
}


def _cases() -> Iterator[Any]:
    for name, contents in BODIES.items():
        for number, content in enumerate(contents):
            yield pytest.param(name, content, id=f"{name}-{number}")


def test_every_body_type_has_its_case() -> None:
    names = (Path(__file__).resolve().parents[3] / "asn1" / "PKIXCMP.asn1").read_text()
    choice = names.split("PKIBody ::= CHOICE {")[1].split("}")[0]
    assert [line.split()[0] for line in choice.strip().splitlines()] == list(BODIES)


@pytest.mark.parametrize(("name", "content"), list(_cases()))
def test_every_body_type_goes_there_and_back(name: str, content: Any) -> None:
    message = {
        "header": HEADER,
        "body": (name, content),
        "protection": (b"bits", 32),
        "extraCerts": [CERTIFICATE],
    }
    der = encode("PKIMessage", message)
    assert decode("PKIMessage", der) == message


@pytest.mark.parametrize(("name", "content"), list(_cases()))
def test_the_raw_view_of_every_body_type_gives_its_octets_back(name: str, content: Any) -> None:
    der = encode("PKIBody", (name, content))
    value = decode("RawBody", der)
    assert value[0] == name
    assert encode("RawBody", value) == der


PARTS = ("RawMessage", "RawHeader", "RawBody", "RawCertRequest", "PKIMessage", "PKIBody", "EnvelopedData")


@given(st.sampled_from(PARTS), st.binary(max_size=80))
def test_rubbish_raises_nothing_but_decode_errors(type_name: str, data: bytes) -> None:
    _decode_or_refuse(type_name, data)


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_a_truncated_message_is_refused(name: str, data: st.DataObject) -> None:
    der = MESSAGES[name]
    cut = data.draw(st.integers(0, len(der) - 1))
    with pytest.raises(DecodeError):
        decode("PKIMessage", der[:cut])


@given(st.sampled_from(sorted(MESSAGES)), st.binary(min_size=1, max_size=8))
def test_octets_after_a_message_are_refused(name: str, more: bytes) -> None:
    with pytest.raises(DecodeError):
        decode("RawMessage", MESSAGES[name] + more)


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_a_message_with_a_changed_octet_is_refused_or_gives_that_octet_back(
    name: str, data: st.DataObject
) -> None:
    """What is taken at all is DER: no two encodings are taken for the same value."""
    der = bytearray(MESSAGES[name])
    der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    value = _decode_or_refuse("PKIMessage", bytes(der))
    if value is not None:
        assert encode("PKIMessage", value) == der


def _decode_or_refuse(type_name: str, data: bytes) -> Any:
    try:
        return decode(type_name, data)
    except DecodeError:
        return None


def _wrapped(tags: bytes, size: int) -> bytes:
    """One element in another in another, of the tags in turn, until there are `size` octets."""
    data = b""
    while len(data) < size:
        for tag in tags:
            data = bytes([tag]) + _length(len(data)) + data
    return data


def _length(size: int) -> bytes:
    octets = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return octets if size < 0x80 else bytes([0x80 | len(octets)]) + octets


HOSTILE = {
    "elements in elements": ("PKIMessage", _wrapped(b"\x30", 60_000)),
    "nested messages in nested messages": ("PKIBody", _wrapped(b"\x30\xb4", 60_000)),
    "indefinite lengths in indefinite lengths": ("PKIMessage", b"\x30\x80" * 30_000),
    "a length of four gigabytes": ("PKIMessage", b"\x30\x84\xff\xff\xff\xff" + bytes(60_000)),
    "a length of 126 octets": ("PKIMessage", b"\x30\xfe" + b"\xff" * 60_000),
    "an arc of 60,000 octets": (
        "RawInfoTypeAndValue",
        b"\x30\x82\xea\x64\x06\x82\xea\x60" + b"\xff" * 60_000,
    ),
    "a number of 60,000 octets": (
        "RawBody",
        b"\xa6\x82\xea\x68\x30\x82\xea\x64\x02\x82\xea\x60" + b"\x7f" * 60_000,
    ),
    "30,000 numbers of no octets": ("RawBody", b"\xa6\x82\xea\x64\x30\x82\xea\x60" + b"\x02\x00" * 30_000),
    "a tag of 60,000 octets": ("RawMessage", b"\x30\x82\xea\x61\x1f" + b"\xff" * 60_000),
}


@pytest.mark.parametrize(("type_name", "data"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_octets_are_refused_in_milliseconds(type_name: str, data: bytes) -> None:
    decode("RawMessage", MESSAGES["ir-pbm"])  # the modules are compiled by now
    begun = time.process_time()
    with pytest.raises(DecodeError):
        decode(type_name, data)
    assert time.process_time() - begun < 0.05
