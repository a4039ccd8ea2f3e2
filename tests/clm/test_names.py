"""Distinguished names come back from their text, and placeholders are filled or not at all."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.names import ATTRIBUTES, attribute_oid, fill, name_text, parse_name, short_name, split_rdn

VALUES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@given(st.lists(st.tuples(st.sampled_from(["CN", "O", "OU", "serialNumber", "L", "ST"]), VALUES), min_size=1))
def test_a_name_comes_back_from_its_text(attributes: list[tuple[str, str]]) -> None:
    name = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(ATTRIBUTES[key], text)])
            for key, text in attributes
        ]
    )
    assert parse_name(name_text(name)) == name


@pytest.mark.parametrize("text", ["", "Device", "CN", "=x", "XY=1", "CN=a,,O=b"])
def test_what_is_no_name_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as CN=Device 1,O=Example,C=DE"):
        parse_name(text)


@pytest.mark.parametrize("name", [*ATTRIBUTES, "1.2.3.4"])
def test_an_attribute_has_one_name(name: str) -> None:
    assert short_name(attribute_oid(name)) == name


def test_a_pattern_is_filled_whole_or_not_at_all() -> None:
    values = {"entity.name": "pump", "ca": "issuing", "entity.empty": ""}.get
    assert fill("{entity.name}.{ca}.example", values) == "pump.issuing.example"
    assert fill("plain {", values) == "plain {"
    assert fill("{entity.name}{entity.nothing}", values) is None
    assert fill("{entity.empty}", values) is None


@pytest.mark.parametrize("pattern", ["CN", "=x", "CN=", "XY=x"])
def test_what_is_no_rdn_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"form CN=value|OID|nvalid"):
        split_rdn(pattern)
