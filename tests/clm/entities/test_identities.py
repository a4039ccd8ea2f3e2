"""References and identities come back from their text, in every file they are written to."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.declare.bulk import csv_field, read_csv  # the text of one field of a CSV file
from cmpd.clm.declare.entity_documents import document_of, read_entity
from cmpd.clm.declare.toml import table
from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.entities.identity_text import (
    anchor_of_pem,
    bound,
    identity_document,
    parse_identity,
    parse_reference,
    reference_text,
    understood,
)
from cmpd.clm.model import Entity, Identity
from cmpd.clm.pkix.identities import identity_key, keys_of
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.settings import DocumentError
from tests.clm import pki

PRINTABLE = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=30
)
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
SUBJECTS = st.lists(PRINTABLE, min_size=1, max_size=3).map(
    lambda values: f"subject={','.join(f'OU={value.encode().hex()}' for value in values)}"
)
ESCAPED = PRINTABLE.map(lambda text: "subject=CN=" + "".join(f"\\{octet:02x}" for octet in text.encode()))
TEXTS = SUBJECTS | ESCAPED | SHA256.map("fingerprint={}".format) | PRINTABLE.map("serialNumber={}".format)
IDENTITIES = st.builds(
    lambda text, anchor: bound([parse_identity(text, "")], anchor)[0], TEXTS, st.just("") | SHA256
)


@given(st.binary())
@pytest.mark.parametrize("known", [b"hex:aa", b"", b"gate 7", b"\xaa", b"hex:"])
def test_a_reference_comes_back_from_its_text(known: bytes, reference: bytes) -> None:
    for one in (known, reference):
        assert parse_reference(reference_text(one), "") == one


def test_a_reference_that_looks_like_hexadecimal_is_shown_as_such() -> None:
    assert reference_text(b"hex:aa") == "hex:6865783a6161"
    assert reference_text(b"gate-7") == "gate-7"


@given(IDENTITIES)
def test_an_identity_comes_back_from_its_document(identity: Identity) -> None:
    assert parse_identity(identity_document(identity), "") == identity
    assert parse_identity(json.loads(json.dumps(identity_document(identity))), "") == identity


@given(st.lists(IDENTITIES, max_size=3, unique=True), st.lists(st.binary(), max_size=3, unique=True))
def test_an_entity_comes_back_from_a_declaration_and_from_CSV(
    identities: list[Identity], references: list[bytes]
) -> None:
    entity = Entity("x", "station", identities=tuple(identities), references=tuple(references))
    document = document_of(entity, {})
    declared = read_entity(tomllib.loads(table(("entity",), document))["entity"])
    assert (declared.identities, declared.references) == (entity.identities, entity.references)
    rows = "name,references,identities\n"
    file = io.StringIO(newline="")
    csv.writer(file).writerow(
        [csv_field(document.get(key, "")) for key in ("name", "references", "identities")]
    )
    ((_, row),) = read_csv(io.StringIO(rows + file.getvalue(), newline=""))
    declared = read_entity(row)
    assert (declared.identities, declared.references) == (entity.identities, entity.references)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("subject=CN=Device 1,O=Example,C=DE", "CN=Device 1,O=Example,C=DE"),
        ("subject=/C=de/O=Example/CN=Device 1", "CN=Device 1,O=Example,C=de"),
        ("subject=C = DE, O = Example, CN = Device 1", "CN=Device 1,O=Example,C=DE"),
        ("subject=cn=Device 1, o=Example", "CN=Device 1,O=Example"),
        ("subject=2.5.4.5=SN-1,CN=x", "serialNumber=SN-1,CN=x"),
        ("serialNumber=SN=1@x", "SN=1@x"),
        ("fingerprint=" + "AB:" * 31 + "AB", "ab" * 32),
    ],
)
def test_an_identity_is_stored_in_one_form(written: str, stored: str) -> None:
    kind = written.partition("=")[0]
    assert parse_identity(written, "") == Identity(kind, stored)
    assert parse_identity({"kind": kind, "value": written.partition("=")[2]}, "") == Identity(kind, stored)


ANCHOR = "ab" * 32
FAULTS: list[tuple[Any, str]] = [
    ("imei=1", "identities: subject=…, serialNumber=… or fingerprint=… is expected, not 'imei=1'"),
    ("serialNumber=", "identities: subject=…, serialNumber=…"),
    (7, "identities: a text is expected"),
    ("subject=Device 1", "identities: 'Device 1' is not a distinguished name such as CN="),
    (
        {"kind": "imei", "value": "1"},
        "identities.kind: one of subject, serialNumber, fingerprint is expected",
    ),
    ({"kind": "subject"}, "identities.value: is missing"),
    ({"kind": "subject", "value": "x"}, "identities.value: 'x' is not a distinguished name"),
    (
        {"kind": "subject", "value": "CN=x", "anker": ""},
        "identities: unknown key 'anker'; known are kind, value",
    ),
    (
        {"kind": "subject", "value": "CN=x", "anchor": "x"},
        "identities.anchor: an anchor is named by the SHA-256",
    ),
    (
        {"kind": "fingerprint", "value": ANCHOR, "anchor": ANCHOR},
        "identities.anchor: a fingerprint names one",
    ),
]


@pytest.mark.parametrize(("written", "text"), FAULTS)
def test_what_is_no_identity_is_refused_by_key(written: Any, text: str) -> None:
    with pytest.raises(DocumentError) as error:
        parse_identity(written, "identities")
    assert str(error.value).startswith(text)


def test_the_anchor_binds_what_needs_one() -> None:
    given = [Identity("subject", "CN=x"), Identity("fingerprint", "00"), Identity("serialNumber", "1", "cd")]
    anchors = [one.anchor for one in bound(given, "ab")]
    assert anchors == ["ab", "", "cd"]


def test_an_anchor_is_the_SHA_256_of_one_certificate() -> None:
    one, other = (pki.Plan(pki.name(label), pki.key("P-256"), ca=True).issue(None).der for label in "ab")
    assert len(anchor_of_pem(pem_text(one), "")) == 64
    for text in ("", "x", pem_text(one) + pem_text(other)):
        with pytest.raises(DocumentError, match="one certificate in PEM is expected"):
            anchor_of_pem(text, "")


def test_a_subject_is_shown_in_both_orders() -> None:
    assert (
        understood(Identity("subject", "CN=a,O=b")) == "subject=CN=a,O=b, in the order of encoding /O=b/CN=a"
    )
    assert understood(Identity("serialNumber", "1", "ab")) == "serialNumber=1 (anchor ab)"


def test_identities_have_the_keys_of_the_certificates_they_name() -> None:
    subject = parse_name("/O=Example/serialNumber=SN  1/CN=Device")
    certificate = pki.Plan(subject, pki.key("P-256")).issue(None).certificate
    assert keys_of(certificate)[1:] == [
        ("subject", identity_key("subject", "CN=device,serialNumber=sn 1,O=EXAMPLE")),
        ("serialNumber", identity_key("serialNumber", "sn 1")),
    ]


def test_what_is_no_name_has_a_key_that_no_certificate_has() -> None:
    key = identity_key("subject", "CN=a")
    assert identity_key("subject", key) != key
