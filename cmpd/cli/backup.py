"""`cmpd backup`: a consistent copy of the store, taken while the daemon serves."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import CommandError, StoreCommand, set_command


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "backup",
        help=COMMANDS["backup"],
        description="Copy the store to FILE, whole and consistent, while the daemon serves. Secrets in it "
        "stay sealed: keep the master key too, and elsewhere. FILE must not exist.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    set_command(parser, _backup)


async def _backup(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.cli.configuring import act
    from cmpd.clm.store.base import StoreError
    from cmpd.clm.store.changes import audited

    if not arguments.file.parent.is_dir():
        raise CommandError(f"there is no folder {arguments.file.parent}; make it first", os.EX_CANTCREAT)
    if arguments.file.exists():
        raise CommandError(f"{arguments.file} exists already; name another file", os.EX_CANTCREAT)
    await place.store.commit([audited(act(), "store.backup", "store")])
    try:
        await place.store.backup(arguments.file)
    except StoreError as error:
        raise CommandError(str(error), os.EX_CANTCREAT) from None
    print(f"{arguments.file}: {arguments.file.stat().st_size} bytes; the master key is not in it")
    return 0
