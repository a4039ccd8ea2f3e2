"""What the schema room takes for DER and what it does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from cmpd.cmp.wire import schema
from cmpd.cmp.wire.schema import DecodeError, decode, encode

ASN1 = Path(__file__).resolve().parents[3] / "asn1"


def test_the_parsed_form_equals_the_modules() -> None:
    assert json.loads(schema.PARSED.read_text()) == schema.parse_modules(ASN1), (
        "run `python -m cmpd.cmp.wire.schema` and commit parsed.json"
    )


def test_no_two_modules_define_a_type_of_the_same_name() -> None:
    names = [name for module in schema.parse_modules(ASN1).values() for name in module["types"]]
    assert len(names) == len(set(names))


REFUSED = {
    "nothing": ("RawMessage", ""),
    "a tag without a length": ("RawMessage", "30"),
    "another type's tag": ("RawMessage", "0400"),
    "a truncated value": ("RawName", "3003 0500"),
    "octets after the value": ("RawPollReq", "3003 020100 00"),
    "an indefinite length": ("RawPollReq", "3080 020100 0000"),
    "an indefinite length in an explicit tag": ("RawCRLSource", "a080 a000 0000"),
    "an indefinite length in ANY": ("RawName", "3004 3080 0000"),
    "a length in the long form for no need": ("RawPollReq", "308103 020100"),
    "a length that begins with zero": ("RawName", "30820080" + "0500" * 64),
    "a length of 126 octets": ("RawName", "30fe" + "ff" * 126),
    "a length that promises what is not there": ("RawName", "3084ffffffff"),
    "a member that ends after its SEQUENCE": ("RawPollReq", "3003 020200 00"),
    "a member after the last": ("RawPollReq", "3006 020100 020100"),
    "a member twice": ("RawPKIStatusInfo", "3008 020100 020100 0500"),
    "members out of order": ("RawPKIStatusInfo", "3009 3004 0c0278 79 020102"),
    "a mandatory member that is missing": ("RawPollRep", "3003 020100"),
    "an element of another type": ("CertProfileValue", "3004 0c00 0500"),
    "an element that ends after its SEQUENCE OF": ("CertProfileValue", "3003 0c0278"),
    "an explicit tag around two elements": ("RawGeneralName", "a404 3000 3000"),
    "an alternative that the CHOICE has not": ("RawGeneralName", "a900"),
    "an INTEGER of no octets": ("CRLNumber", "0200"),
    "a positive INTEGER longer than need be": ("CRLNumber", "0202 007f"),
    "a negative INTEGER longer than need be": ("CRLNumber", "0202 ff80"),
    "an INTEGER too large to print": ("CRLNumber", "02820411" + "7f" * 1041),
    "a BOOLEAN that is 1": ("Extension", "300a 0603551d0f 010101 0400"),
    "a DEFAULT that is encoded": ("Extension", "300a 0603551d0f 010100 0400"),
    "a SET OF out of order": ("CertificateSet", "3104 0500 0400"),
    "named bits that end with a zero": ("PKIFailureInfo", "0302 0420"),
    "a NULL with content": ("ImplicitConfirmValue", "050100"),
    "a BIT STRING of no octets": ("PKIProtection", "0300"),
    "a BIT STRING with nine unused bits": ("PKIProtection", "0302 0900"),
    "a BIT STRING with unused bits of nothing": ("PKIProtection", "0301 01"),
    "a BIT STRING whose unused bits are set": ("PKIProtection", "0302 01 01"),
    "a BIT STRING in pieces": ("PKIProtection", "2306 0301 00 0301 00"),
    "an OBJECT IDENTIFIER of no octets": ("AlgorithmIdentifier", "3002 0600"),
    "an OBJECT IDENTIFIER that breaks off": ("AlgorithmIdentifier", "3003 060181 0500"),
    "an arc longer than need be": ("AlgorithmIdentifier", "3006 0604 2a800101"),
    "an OBJECT IDENTIFIER of 65 octets": ("AlgorithmIdentifier", "3043 0641" + "2a" * 65),
    "text that is no UTF-8": ("UTF8Pairs", "0c01 ff"),
    "a time without Z": ("InvalidityDate", "180e" + b"20260101000000".hex()),
    "a time in another zone": ("InvalidityDate", "1813" + b"20260101000000+0100".hex()),
    "a time without seconds": ("InvalidityDate", "180d" + b"202601010000Z".hex()),
    "a fraction that ends in zero": ("InvalidityDate", "1812" + b"20260101000000.10Z".hex()),
    "a fraction of more digits than are kept": (
        "InvalidityDate",
        "1817" + b"20260101000000.1234567Z".hex(),
    ),
    "a fraction of nothing": ("InvalidityDate", "1810" + b"20260101000000.Z".hex()),
    # asn1tools' strptime took blanks for digits
    "a time with a blank": ("InvalidityDate", "180f" + b"202601 1000000Z".hex()),
    "a time with a blank and a fraction": ("InvalidityDate", "1811" + b"202601 1000000.5Z".hex()),
    "midnight at the end of a day": ("InvalidityDate", "180f" + b"20260101240000Z".hex()),
    "a leap second": ("InvalidityDate", "180f" + b"20161231235960Z".hex()),
    "digits with a length in the long form for no need": ("DirectoryText", "12810131"),
    "the 31st of February": ("InvalidityDate", "180f" + b"20260231000000Z".hex()),
    "a UTCTime without seconds": ("Time", "170b" + b"2601010000Z".hex() + "00"),
    "a reason nobody knows": ("CRLReason", "0a0107"),
}


@pytest.mark.parametrize(("type_name", "octets"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_der_is_refused(type_name: str, octets: str) -> None:
    with pytest.raises(DecodeError, match=type_name):
        decode(type_name, bytes.fromhex(octets))


VALUES: dict[str, tuple[str, Any, str]] = {
    "a time": ("InvalidityDate", datetime(2026, 11, 23, 22, 13), "180f" + b"20261123221300Z".hex()),
    "a time of the year 26": ("InvalidityDate", datetime(26, 1, 2), "180f" + b"00260102000000Z".hex()),
    "a time with a fraction": (
        "InvalidityDate",
        datetime(2026, 11, 23, 22, 13, 33, 250_000),
        "1812" + b"20261123221333.25Z".hex(),
    ),
    "a UTCTime of 1950": ("Time", ("utcTime", datetime(1950, 1, 1)), "170d" + b"500101000000Z".hex()),
    "a UTCTime of 2049": ("Time", ("utcTime", datetime(2049, 1, 1)), "170d" + b"490101000000Z".hex()),
    "a negative number": ("CRLNumber", -129, "0202 ff7f"),
    "a serial number of 20 octets": ("CRLNumber", (1 << 159) - 1, "0214 7f" + "ff" * 19),
    "an OBJECT IDENTIFIER beyond 2.39": ("AlgorithmIdentifier", {"algorithm": "2.999.1"}, "3005 0603 883701"),
    "parameters as they came": (
        "AlgorithmIdentifier",
        {"algorithm": "1.2.3", "parameters": b"\x05\x00"},
        "3006 06022a03 0500",
    ),
    "a default that is not encoded": (
        "Extension",
        {"extnID": "2.5.29.15", "critical": False, "extnValue": b""},
        "3007 0603551d0f 0400",
    ),
    "named bits without the zeros at their end": ("PKIFailureInfo", (b"\x20", 3), "0302 0520"),
    "no named bits": ("PKIFailureInfo", (b"", 0), "0301 00"),
    "a list of nothing": ("RawName", [], "3000"),
}


@pytest.mark.parametrize(("type_name", "value", "octets"), VALUES.values(), ids=VALUES.keys())
def test_values_go_there_and_back(type_name: str, value: Any, octets: str) -> None:
    der = bytes.fromhex(octets)
    assert encode(type_name, value) == der
    assert decode(type_name, der) == value


def test_times_are_encoded_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert (
        encode("InvalidityDate", noon)
        == encode("InvalidityDate", noon.astimezone(UTC))
        == b"\x18\x0f20260101100000Z"
    )


def test_a_set_is_encoded_in_the_order_of_its_encodings() -> None:
    assert encode("CertificateSet", [b"\x30\x01\x02", b"\x05\x00", b"\x04\x00"]).hex() == "310704000500300102"


def test_named_bits_lose_the_zeros_at_their_end() -> None:
    assert encode("PKIFailureInfo", (b"\x20\x00\x00\x00", 27)).hex() == "03020520"


def test_a_default_that_is_encoded_in_an_explicit_tag_is_refused() -> None:
    """The tag around a member once hid that it has a DEFAULT: v1, for a TBSCertificate."""
    with pytest.raises(schema.DecodeError, match="DEFAULT"):
        schema.decode("TBSCertificate", bytes.fromhex("3005 a003 020100"))
