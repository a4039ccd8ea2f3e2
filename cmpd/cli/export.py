"""`cmpd export`: the configuration as a file that `cmpd apply` takes."""

from __future__ import annotations

import argparse
import os
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import StoreCommand, set_command


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "export",
        help=COMMANDS["export"],
        description="Write CAs (by reference), templates, policies, API clients and end entities to stdout, "
        "as a declaration for `cmpd apply`. No secret is in it: no password, no key.",
    )
    parser.add_argument("--no-entities", action="store_true", help="leave the end entities out")
    set_command(parser, _export)


async def _export(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.declare.export import export

    first = True
    async for table in export(place.store, entities=not arguments.no_entities):
        print(("" if first else "\n") + table, end="")
        first = False
    return os.EX_OK
