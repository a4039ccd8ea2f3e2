"""`cmpd store`: the store as a whole, moved from one engine or place to another."""

from __future__ import annotations

import argparse
import os

from cmpd.cli.common import add_json, print_json, print_table, refuse_password
from cmpd.cli.progress import ProgressBar


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `store` and its verbs."""
    parser = subparsers.add_parser("store", help="the store: copy it into another")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    copy = verbs.add_parser(
        "copy",
        help="copy a store whole into a new one",
        description="Copy everything from one store into another that is empty or not there yet, and compare "
        "each table's count and hash before it counts. Refuses while a daemon serves one of the two. "
        "Afterwards name the new store in the configuration, and keep the master key: it opens the copy too. "
        "A password for PostgreSQL comes from ~/.pgpass or $PGPASSWORD, never from the command line.",
    )
    copy.add_argument("source", metavar="FROM", help="a path, or a postgresql:// URL")
    copy.add_argument("target", metavar="TO", help="a path, or a postgresql:// URL")
    add_json(copy)
    copy.set_defaults(run=run_copy)


def run_copy(arguments: argparse.Namespace) -> int:
    """Copy, and say what was copied."""
    import asyncio

    for where in (arguments.source, arguments.target):
        refuse_password(where)
    return asyncio.run(_copy(arguments))


async def _copy(arguments: argparse.Namespace) -> int:
    from cmpd.cli.configuring import act
    from cmpd.clm.store import open_store
    from cmpd.clm.store.changes import audited
    from cmpd.clm.store.copy import copy_store

    progress = ProgressBar()
    try:
        copied = await copy_store(arguments.source, arguments.target, progress.show)
    finally:
        progress.done()
    target = open_store(arguments.target)
    await target.open()
    try:
        rows = {table.table: table.rows for table in copied}
        await target.commit([audited(act(), "store.copy", "store", **rows)])
    finally:
        await target.close()
    if arguments.json:
        print_json([{"table": one.table, "rows": one.rows, "sha256": one.digest} for one in copied])
    else:
        print_table(
            ("table", "rows", "SHA-256"), [(one.table, str(one.rows), one.digest[:16]) for one in copied]
        )
        print("The copy is equal in every row. Name it as `store` in the configuration to serve from it.")
    return os.EX_OK
