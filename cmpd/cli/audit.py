"""`cmpd audit`: who did what, when, to what, with what outcome; and whether the record is whole."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import (
    StoreCommand,
    json_text,
    now,
    print_json,
    print_table,
    set_command,
    time_text,
)

if TYPE_CHECKING:
    from cmpd.clm.model import AuditRecord


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("audit", help=COMMANDS["audit"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("list", help="list audit records")
    verb.add_argument("--chain", help="only this node's")
    verb.add_argument("--after", metavar="N", type=int, default=0, help="only those with a number above N")
    verb.add_argument("--since", metavar="SPAN", help="only those of the last 24h, 7d …")
    verb.add_argument("--actor", metavar="TEXT", help="a part of who did it")
    verb.add_argument("--action", metavar="TEXT", help="how the action begins: certificate, ca.rollover …")
    verb.add_argument("--subject", metavar="TEXT", help="a part of what it was done to")
    verb.add_argument("--lines", action="store_true", help="JSON lines, for export: one record a line")
    set_command(verb, _list, json=True)

    verb = verbs.add_parser("verify", help="follow the hash chains; exit status 65 where one is broken")
    set_command(verb, _verify, json=True)


def _summary(record: AuditRecord) -> dict[str, Any]:
    event = record.event
    return {
        "chain": record.chain,
        "sequence": record.sequence,
        "time": time_text(event.time),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "outcome": event.outcome,
        "detail": event.detail,
        "hash": record.hash.hex(),
    }


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.settings import parse_duration

    since = now() - parse_duration(arguments.since, "--since") if arguments.since else 0
    listed = []
    async for record in place.store.audit(arguments.after, arguments.chain):
        event = record.event
        if event.time < since or not event.action.startswith(arguments.action or ""):
            continue
        if (arguments.actor or "") not in event.actor or (arguments.subject or "") not in event.subject:
            continue
        if arguments.lines:
            print(json_text(_summary(record)))
        else:
            listed.append(_summary(record))
    if arguments.json and not arguments.lines:
        print_json(listed)
    elif not arguments.lines:
        rows = [
            (str(one["sequence"]), one["time"], one["outcome"], one["action"], one["actor"], one["subject"])
            for one in listed
        ]
        print_table(("NUMBER", "TIME", "OUTCOME", "ACTION", "ACTOR", "SUBJECT"), rows)
    return os.EX_OK


async def _verify(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.audit import first_break

    heads = await place.store.audit_heads()
    broken = await first_break(place.store.audit(), heads)
    if arguments.json:
        chains = {chain: {"records": head.sequence, "hash": head.hash.hex()} for chain, head in heads.items()}
        found = broken and {"chain": broken.chain, "sequence": broken.sequence, "problem": broken.problem}
        print_json({"whole": broken is None, "broken": found, "chains": chains})
    elif broken is None:
        for chain, head in sorted(heads.items()):
            print(f"chain {chain}: {head.sequence} records, whole; it ends with {head.hash.hex()}")
    else:
        print(f"chain {broken.chain} is broken at record {broken.sequence}: {broken.problem}")
    return os.EX_OK if broken is None else os.EX_DATAERR
