"""`cmpd restore`: a backup becomes the store again."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import CommandError, load_config


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "restore",
        help=COMMANDS["restore"],
        description="Make a backup the store that the configuration names. A store that is there is never "
        "overwritten: stop the daemon and move it away first, with its -wal and -shm files.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store.sqlite.backup import restore

    config = load_config(arguments)
    if "://" in config.store:
        raise CommandError(
            "restore makes SQLite stores; for PostgreSQL, restore with its own tools, or "
            "`cmpd store copy` a restored SQLite store there",
            os.EX_CONFIG,
        )
    if not arguments.file.is_file():
        raise CommandError(f"there is no backup {arguments.file}")
    if Path(config.store).exists():
        raise CommandError(
            f"the store {config.store} exists already, and it stays: stop cmpd, and move it away first",
            os.EX_CANTCREAT,
        )
    MasterKey.load(config.master_key)
    restore(arguments.file, Path(config.store))
    print(f"{config.store} is restored; `cmpd check` says whether the master key fits")
    return 0
