"""Attribute types have one name each, and placeholders are filled or not at all."""

from __future__ import annotations

import pytest

from cmpd.clm.pkix.attributes import ATTRIBUTES, attribute_oid, fill, short_name, split_rdn


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
