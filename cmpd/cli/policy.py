"""`cmpd policy`: under which restrictions certificates are issued."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import Workplace, add_json, in_workplace, print_json, print_table
from cmpd.cli.configuring import add_changes, add_settings, assigned, deleting, draft

EXAMPLE = """excess=refuse, keys.algorithms='["P-256"]' or trust_anchors='["vendor.pem"]' (a file)"""


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("policy", help=COMMANDS["policy"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("add", help="make a policy")
    verb.add_argument("name", help="what people and /.well-known/cmp/p/NAME call it")
    verb.add_argument("--ca", required=True, help="the CA that issues")
    verb.add_argument("--template", required=True, help="what its certificates look like")
    verb.add_argument("--id", metavar="UUID", help="its UUID (default: a random one)")
    add_settings(verb, EXAMPLE)
    add_json(verb)
    verb.set_defaults(run=in_workplace(_add))

    verb = verbs.add_parser("set", help="change a policy")
    verb.add_argument("policy", help="its name or UUID")
    add_changes(verb, EXAMPLE)
    verb.set_defaults(run=in_workplace(_set))

    verb = verbs.add_parser("list", help="list policies")
    add_json(verb)
    verb.set_defaults(run=in_workplace(_list))

    for word, run, text in (
        ("show", _show, "show a policy's settings; what is not there has its default"),
        ("delete", deleting("policy"), "delete a policy nothing uses"),
    ):
        verb = verbs.add_parser(word, help=text)
        verb.add_argument("policy", help="its name or UUID")
        verb.set_defaults(run=in_workplace(run))


def _assigned(document: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """The document with the settings in it. Files that they name are relative to the current folder."""
    from cmpd.clm.declare.pemfiles import with_files_read

    return with_files_read(assigned(document, words), Path.cwd())


async def _add(place: Workplace, arguments: argparse.Namespace) -> int:
    import uuid

    from cmpd.clm.model import Kind, StoredObject

    id = (arguments.id or str(uuid.uuid4())).lower()
    document = _assigned({"ca": arguments.ca, "template": arguments.template}, arguments.settings)
    changes = await draft(place)
    changes.put(StoredObject(Kind.POLICY, id, arguments.name, document), "add")
    await changes.commit()
    print_json({"id": id, "name": arguments.name} | document) if arguments.json else print(id)
    return os.EX_OK


async def _set(place: Workplace, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import Kind

    changes = await draft(place)
    stored = changes.get(Kind.POLICY, arguments.policy)
    changed = changes.change(stored, _assigned(stored.document, arguments.settings))
    await changes.commit()
    print(f"policy {stored.name} {'changed' if changed else 'is like that already'}")
    return os.EX_OK


async def _list(place: Workplace, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import Kind

    policies = [
        {"id": one.id, "name": one.name} | one.document for one in await place.store.objects(Kind.POLICY)
    ]
    if arguments.json:
        print_json(policies)
    else:
        rows = [(one["name"], one["id"], one["ca"], one["template"]) for one in policies]
        print_table(("NAME", "UUID", "CA", "TEMPLATE"), rows)
    return os.EX_OK


async def _show(place: Workplace, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import Kind

    stored = (await draft(place)).get(Kind.POLICY, arguments.policy)
    print_json({"id": stored.id, "name": stored.name} | stored.document)
    return os.EX_OK
