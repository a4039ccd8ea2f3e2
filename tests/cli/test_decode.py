"""`cmpd decode`: what it takes, and what it says of what it does not."""

from __future__ import annotations

import base64
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cmpd.cli import main

MESSAGE = Path(__file__).parents[1] / "cmp" / "messages" / "pkiconf-pbm.der"
DER = MESSAGE.read_bytes()
PEM = b"-----BEGIN CMP MESSAGE-----\n" + base64.encodebytes(DER) + b"-----END CMP MESSAGE-----\n"

FORMS = {
    "DER": DER,
    "PEM": PEM,
    "PEM after other text": b"Subject: what the device sends\n\n" + PEM,
    "base64 in lines": base64.encodebytes(DER),
    "base64 in one line": base64.b64encode(DER),
    "hexadecimal": DER.hex().encode(),
    "hexadecimal with colons": DER.hex(":").upper().encode(),
    "hexadecimal in lines": b"\n".join(DER.hex()[i : i + 32].encode() for i in range(0, 2 * len(DER), 32)),
}


def _decode(content: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    return main(["decode"])


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_it_takes_a_message_in_any_form(
    content: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _decode(content, monkeypatch) == os.EX_OK
    assert "body: pkiconf: NULL" in capsys.readouterr().out


REFUSED = {
    "nothing": (b"", "standard input is empty"),
    "a web page": (
        b"<html></html>",
        "standard input is not a PKIMessage (13 octets): the tag 3c is another type's",
    ),
    "half a message": (DER[:100], "standard input is not a PKIMessage (100 octets): "),
    "a message and more": (DER + b"x", "1 octets trail it"),
    "a certificate": (
        b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        "standard input is not a PKIMessage (5 octets): it is PEM of a CERTIFICATE; ",
    ),
    "PEM without base64": (PEM.replace(b"MII", b"!!!"), "no base64 between BEGIN and END"),
}


@pytest.mark.parametrize(("content", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_it_says_in_one_line_why_there_is_no_message(
    content: bytes, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _decode(content, monkeypatch) == os.EX_DATAERR
    output = capsys.readouterr()
    assert output.out == ""
    assert text in output.err
    assert len(output.err.splitlines()) == 1


def test_it_reads_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(MESSAGE)]) == os.EX_OK
    assert capsys.readouterr().out.startswith("PKIMessage\n  header\n")


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "no-such-file"]) == os.EX_IOERR
    assert "no-such-file" in capsys.readouterr().err
