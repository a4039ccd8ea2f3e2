"""What the commands share that take identities: as arguments, and in what is said of them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cmpd.cli.common import CommandError
from cmpd.printable import printable

if TYPE_CHECKING:
    from cmpd.clm.model import Identity


def add_identities(parser: argparse.ArgumentParser) -> None:
    """Give the parser what an entity is known by."""
    parser.add_argument(
        "--reference",
        metavar="TEXT",
        action="append",
        default=[],
        help="a further senderKID it is known by, beside its UUID; hex:… for bytes; repeatable",
    )
    parser.add_argument(
        "--identity",
        metavar="KIND=VALUE",
        action="append",
        default=[],
        help="what names it in a vendor certificate: subject=, serialNumber= or fingerprint=; repeatable",
    )
    add_anchor(parser)


def add_anchor(parser: argparse.ArgumentParser) -> None:
    """Give the parser --anchor."""
    parser.add_argument(
        "--anchor",
        metavar="FILE",
        help="the trust anchor, a PEM file or its SHA-256, that vouches for the subjects and serialNumbers "
        "given here; needed under a policy with several",
    )


def anchor_of(arguments: argparse.Namespace) -> str:
    """The SHA-256 of the --anchor, empty without one. Raises CommandError."""
    from cmpd.clm.entities.identity_text import anchor_of_pem, is_anchor, parse_anchor

    if arguments.anchor is None:
        return ""
    if is_anchor(arguments.anchor):
        return parse_anchor(arguments.anchor, "--anchor")
    try:
        text = Path(arguments.anchor).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        expected = "a PEM file, or a certificate's SHA-256, is expected"
        line = f"--anchor: {arguments.anchor} cannot be read; {expected}"
        raise CommandError(line, os.EX_NOINPUT) from None
    with _usage():
        return anchor_of_pem(text, f"--anchor {arguments.anchor}")


def known_by(arguments: argparse.Namespace) -> tuple[tuple[bytes, ...], tuple[Identity, ...]]:
    """The references and the identities of `add_identities`. Raises CommandError."""
    from cmpd.clm.entities.identity_text import bound, parse_identity, parse_reference

    with _usage():
        references = [parse_reference(one, "--reference") for one in arguments.reference]
        identities = [parse_identity(one, "--identity") for one in arguments.identity]
    return tuple(references), bound(identities, anchor_of(arguments))


@contextmanager
def _usage() -> Iterator[None]:
    """What is wrong about an argument is a wrong use of the command."""
    from cmpd.clm.settings import DocumentError

    try:
        yield
    except DocumentError as error:
        raise CommandError(str(error), os.EX_USAGE) from None


def advise(lines: Iterable[str]) -> None:
    """Tell what is right, and yet should be looked at."""
    for line in lines:
        print(f"cmpd: warning: {printable(line)}", file=sys.stderr)
