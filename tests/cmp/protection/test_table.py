"""The table of protection algorithms: one meaning for an OID."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.pkix.algorithms import SIGNATURES
from cmpd.cmp import protection
from cmpd.cmp.protection import MacFamily, mac, mac_table, signature
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Algorithm


@pytest.mark.parametrize(
    ("oid", "kind"),
    [
        ("1.2.840.113533.7.66.13", "mac"),
        ("1.2.840.113549.1.5.14", "mac"),
        ("1.2.840.113549.2.9", "mac"),
        ("1.2.840.113549.1.1.11", "signature"),
        ("1.2.840.113549.1.1.10", "signature"),
        ("1.2.840.10045.4.3.2", "signature"),
        ("1.3.101.112", "signature"),
        ("2.16.840.1.101.3.4.3.18", "signature"),
        ("1.2.840.113549.1.1.5", None),
        ("1.2.840.10045.4.1", None),
        ("1.2.3", None),
    ],
)
def test_an_oid_names_a_mac_or_a_signature_algorithm_or_nothing(oid: str, kind: str | None) -> None:
    assert protection.family(oid) == kind


def test_an_oid_cannot_get_a_second_meaning() -> None:
    row = SIGNATURES["Ed25519"]
    with pytest.raises(ValueError, match="is registered already"):
        protection.register(protection.macs()[0])
    with pytest.raises(ValueError, match="is registered already"):
        protection.register(MacFamily(row.oid, "another", mac.parse))
    with pytest.raises(ValueError, match="is registered already"):
        SIGNATURES.add(replace(row, name="another"))


def test_a_refusal_names_what_is_known_to_be_weak() -> None:
    with pytest.raises(CMPFailure, match="sha1WithRSAEncryption") as raised:
        mac_table.signature("1.2.840.113549.1.1.5")
    assert raised.value.fail_info is FailInfo.badAlg


READERS: dict[str, Callable[[Algorithm], object]] = {
    **{row.oid: lambda algorithm: mac.parse(algorithm, mac.Bounds()) for row in protection.macs()},
    **dict.fromkeys(SIGNATURES.by_oid, signature.parse),
}


@pytest.mark.parametrize("oid", READERS)
@given(parameters=st.none() | st.binary(max_size=80) | st.just(b"\x30\x00") | st.just(b"\x05\x00"))
def test_whatever_the_parameters_are_they_parse_or_are_badAlg(oid: str, parameters: bytes | None) -> None:
    refusal: FailInfo | None = FailInfo.badAlg
    try:
        READERS[oid](Algorithm(oid, parameters, b""))
    except CMPFailure as failure:
        refusal = failure.fail_info
    assert refusal is FailInfo.badAlg
