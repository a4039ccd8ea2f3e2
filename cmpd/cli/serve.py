"""`cmpd serve`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import load_config
from cmpd.cli.files import create_folder

if TYPE_CHECKING:
    from cmpd.server.process.tracing import Show


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "serve",
        help=COMMANDS["serve"],
        description="Serve until SIGTERM or SIGINT; finish what is under way, then leave. SIGHUP reloads.",
    )
    parser.add_argument(
        "--dump",
        metavar="DIR",
        type=Path,
        help="keep every CMP message in this folder, as DER, for support; shared secrets are never in them",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log every CMP message in readable form")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments)
    from cmpd.server.daemon import serve
    from cmpd.server.process.tracing import MessageTrace

    return serve(config, MessageTrace(_show() if arguments.verbose else None, _folder(arguments.dump)))


def _show() -> Show:
    from cmpd.cmp.readable import shown

    return shown


def _folder(path: Path | None) -> Path | None:
    if path is not None:
        create_folder(path, 0o700)
    return path
