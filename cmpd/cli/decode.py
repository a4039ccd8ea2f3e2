"""`cmpd decode`: a CMP message, printed for human eyes."""

from __future__ import annotations

import argparse
import base64
import binascii
import os
import re
import sys
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import CommandError

LARGEST = 16 * 1024 * 1024
"""Octets that are read of a file; no CMP message is larger."""
PEM = re.compile(rb"-----BEGIN ([^-]+)-----(.+?)-----END \1-----", re.DOTALL)


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "decode",
        help=COMMANDS["decode"],
        description="Print a PKIMessage: DER, PEM, base64 or hexadecimal, as from `openssl cmp -reqout`, "
        "`cmpd serve --dump` or a protocol analyser. No configuration is needed.",
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: standard input")
    parser.add_argument("--full", action="store_true", help="print octet strings to their end")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    source = "standard input" if arguments.file == "-" else arguments.file
    content = _read(arguments.file)
    der = as_der(content, source)
    from cmpd.cmp.readable import HEXADECIMAL, readable
    from cmpd.cmp.wire.schema import DecodeError

    try:
        print(readable(der, octets=len(der) if arguments.full else HEXADECIMAL))
    except DecodeError as error:
        reason = str(error).removeprefix("RawMessage: ")
        pem = PEM.search(content)
        if pem:
            reason = f"it is PEM of a {pem[1].decode('ascii', 'replace')}; {reason}"
        raise CommandError(f"{source} is not a PKIMessage ({len(der)} octets): {reason}") from None
    return os.EX_OK


def _read(file: str) -> bytes:
    if file == "-":
        content = sys.stdin.buffer.read(LARGEST + 1)
    else:
        with Path(file).open("rb") as stream:
            content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise CommandError(f"{file} is larger than {LARGEST} octets; no CMP message is")
    return content


def as_der(content: bytes, source: str = "the input") -> bytes:
    """The DER in octets that are DER, PEM, base64 or hexadecimal. Raises CommandError."""
    pem = PEM.search(content)
    text = (pem[2] if pem else content).strip()
    if not text:
        raise CommandError(f"{source} is empty; a PKIMessage is expected, as DER, PEM, base64 or hexadecimal")
    if not pem:
        digits = re.sub(rb"0x|[\s:,]", b"", text)
        if re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", digits):
            return bytes.fromhex(digits.decode())
    try:
        return base64.b64decode(re.sub(rb"\s", b"", text), validate=True)
    except binascii.Error:
        if pem:
            raise CommandError(f"{source}: there is no base64 between BEGIN and END") from None
        return content
