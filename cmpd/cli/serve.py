"""`cmpd serve`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
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
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments)
    from cmpd.server.daemon import serve

    return serve(config)
