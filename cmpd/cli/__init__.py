"""The command line: `cmpd <noun> <verb>`, one module per noun, imported only when its noun is asked for.

A noun's module has `register(subparsers)`, which adds its parser and sets `run` to a function that takes
the parsed arguments and returns an exit status (sysexits.h). Whatever such a function raises becomes one
line on stderr here, and nowhere else.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cmpd import __version__
from cmpd.printable import printable

__all__ = ["COMMANDS", "build_parser", "main"]

COMMANDS: dict[str, str] = {
    "apply": "make the configuration what a file declares",
    "audit": "what was done, by whom, and whether the record of it is whole",
    "backup": "a copy of the store, while the daemon serves",
    "ca": "CAs: create, import, request, install, rollover, list, show, delete",
    "cert": "certificates: list, show, revoke; requests that wait: approve, reject",
    "check": "what would be served, and what should not stay as it is",
    "client": "API clients: add, list, rotate, set, disable, enable, delete",
    "completion": "the shell's completion of cmpd's words: bash, zsh, fish",
    "crl": "certificate revocation lists: list, make, show, import, remove",
    "decode": "a CMP message, printed for human eyes",
    "entity": "end entities: add, list, show, password, block, unblock, import, export",
    "explain": "what an end entity may do, policy by policy",
    "export": "the configuration as a file to apply",
    "init": "a store, a master key, CAs, an API client: everything the daemon needs",
    "policy": "policies: add, set, list, show, explain, add-ra, remove-ra, delete",
    "restore": "a backup becomes the store again",
    "selftest": "a whole device life against a running server",
    "serve": "the daemon, in the foreground",
    "status": "how the server is, on one screen",
    "store": "the store as a whole: copy it into another, of the same or another engine",
    "template": "templates: add, set, list, show, delete",
}
"""Noun → what `cmpd --help` says of it. The noun's module is cmpd.cli.<noun>."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that leaves with EX_USAGE, as sysexits.h has it."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {message}\n")


def build_parser(nouns: Sequence[str]) -> argparse.ArgumentParser:
    """The parser with these nouns in full, and the others by name and summary."""
    parser = Parser(
        prog="cmpd",
        description="A CMP server: X.509 certificates for devices (RFC 9810, RFC 9483).",
        epilog="Every command has its own --help. The configuration is -c FILE, else $CMPD_CONF, else "
        "./cmpd.conf, else /etc/cmpd/cmpd.conf.",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file")
    parser.add_argument("--version", action="version", version=f"cmpd {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for noun, summary in COMMANDS.items():
        if noun in nouns:
            importlib.import_module(f"cmpd.cli.{noun}").register(subparsers)
        else:
            subparsers.add_parser(noun, help=summary)
    return parser


def _noun(argv: Sequence[str]) -> str:
    """The first word that is neither an option nor the value of -c."""
    words = iter(argv)
    for word in words:
        if word in ("-c", "--config"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


HIGHER = "; run the command as root, or as a user who may"


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _explain(error: Exception) -> tuple[str, int]:
    """What to tell the user of an error, and the exit status that goes with it."""
    from cmpd.cli.common import CommandError, status_of

    if isinstance(error, CommandError):
        return str(error), error.status
    status = status_of(error)
    if status == os.EX_CONFIG and isinstance(error.__context__, PermissionError):
        status = os.EX_NOPERM
    if status is not None:
        return _in_words(error) + (HIGHER if status == os.EX_NOPERM else ""), status
    if sys.flags.dev_mode:
        raise error
    name = type(error).__name__
    return f"internal error ({name}: {error}); python -X dev -m cmpd shows where", os.EX_SOFTWARE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status."""
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python must not complain of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def _run(words: Sequence[str]) -> int:
    arguments = build_parser([_noun(words)]).parse_args(words)
    try:
        status: int = arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the user's last line of defence: no traceback ever
        text, status = _explain(error)
        for line in text.splitlines() or [""]:
            print(f"cmpd: {printable(line)}", file=sys.stderr)
    return status
