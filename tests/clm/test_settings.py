"""Documents are read into settings classes and back, and every mistake names its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template, ready_made
from cmpd.clm.settings import (
    BASE64,
    DURATION,
    FLAG,
    LONGEST,
    OID,
    TEXT,
    DocumentError,
    count,
    dump,
    duration_text,
    listing,
    nested,
    optional,
    parse_duration,
    read,
    setting,
    table,
)

POLICY = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True, slots=True)
class Inner:
    number: int = setting(count(1, 9), 5)


@dataclass(frozen=True, slots=True)
class Outer:
    name: str = setting(TEXT)
    flag: bool = setting(FLAG, False)
    inner: Inner = setting(nested(Inner), Inner())
    maybe: bytes | None = setting(optional(BASE64), None)
    oids: tuple[str, ...] = setting(listing(OID), ())
    spans: tuple[tuple[str, int], ...] = setting(table(TEXT, DURATION), ())


@pytest.mark.parametrize(
    "document",
    [
        {"name": "x"},
        {"name": "x", "flag": True, "inner": {"number": 9}},
        {"name": "x", "maybe": "AAE=", "oids": ["1.2.3", "2.999.1"], "spans": {"a": "5m", "b": "2y"}},
    ],
)
def test_a_document_comes_back_as_it_was_without_what_is_default(document: dict[str, Any]) -> None:
    assert dump(read(Outer, document)) == document


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 1}, "name"),
        ({"name": "x", "flag": 1}, "flag"),
        ({"name": "x", "inner": 1}, "inner"),
        ({"name": "x", "inner": {"number": 0}}, "inner.number"),
        ({"name": "x", "inner": {"number": True}}, "inner.number"),
        ({"name": "x", "inner": {"numbr": 1}}, "inner.numbr"),
        ({"name": "x", "maybe": "%"}, "maybe"),
        ({"name": "x", "oids": "1.2"}, "oids"),
        ({"name": "x", "oids": ["1.2", "x"]}, "oids[1]"),
        ({"name": "x", "oids": ["3.1"]}, "oids[0]"),
        ({"name": "x", "oids": ["1.02"]}, "oids[0]"),
        ({"name": "x", "oids": ["1.2", "1.2"]}, "oids[1]"),
        ({"name": "x", "spans": {"a": "5 minutes"}}, "spans.a"),
        ({"name": "x", "spans": {"a": -1}}, "spans.a"),
        ({"name": "x", "spans": {"a": True}}, "spans.a"),
        ({"name": "x", "spans": {"a": "201y"}}, "spans.a"),
        ({"name": "x", "spans": {"a": "9999999999y"}}, "spans.a"),
        ([], ""),
    ],
)
def test_a_mistake_names_its_key(document: Any, key: str) -> None:
    with pytest.raises(DocumentError) as error:
        read(Outer, document)
    assert error.value.key == key


@given(st.integers(0, LONGEST))
def test_a_duration_comes_back_from_its_shortest_text(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds == parse_duration(seconds)


@given(st.text(max_size=8))
def test_no_text_makes_reading_a_duration_fail_otherwise_than_by_saying_so(text: str) -> None:
    try:
        assert parse_duration(text) >= 0
    except DocumentError as error:
        assert "a duration is expected" in str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("name", ready_made())
def test_a_ready_made_template_comes_back_from_its_document(name: str) -> None:
    template = ready_made()[name]
    assert Template.of(name, template.document()) == template


def test_a_policy_comes_back_from_its_document() -> None:
    document = {
        "ca": "x",
        "template": "device",
        "keys": {"algorithms": ["P-256"]},
        "subject": {"fixed": {"O": "Example"}, "patterns": {"CN": "[a-z]+"}},
        "san": {"ip": {"networks": ["10.0.0.0/8"]}},
        "validity": {"longest": "30d"},
        "renewal_window": "2w",
    }
    policy = Policy.of(POLICY, "p", document)
    assert policy.document() == document
    assert Policy.of(POLICY, "p", policy.document()) == policy


def test_a_key_by_its_former_name_is_refused_with_the_name_it_has_now() -> None:
    document = {"ca": "x", "template": "device", "validity": {"wish": "shorten"}}
    with pytest.raises(DocumentError) as refused:
        Policy.of(POLICY, "p", document)
    assert (refused.value.key, refused.value.text) == (
        "validity.wish",
        "is called 'requested_validity' now: write that instead",
    )
