"""`cmpd serve`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import load_config


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
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments)
    from cmpd.server.daemon import serve
    from cmpd.server.insight import Insight

    return serve(config, Insight(folder=_folder(arguments.dump)))


def _folder(path: Path | None) -> Path | None:
    if path is not None:
        path.mkdir(mode=0o700, exist_ok=True)
    return path
