"""`cmpd template`: what issued certificates look like."""

from __future__ import annotations

import argparse
import os
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import CommandError, StoreCommand, print_json, print_table, set_command
from cmpd.cli.configuring import add_changes, add_settings, assigned, deleting, draft

EXAMPLE = """validity=90d or extended_key_usage='["serverAuth"]'"""


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("template", help=COMMANDS["template"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("add", help="make a template")
    verb.add_argument("name", help="what policies call it")
    verb.add_argument("--like", metavar="TEMPLATE", help="begin with the settings of this one")
    add_settings(verb, EXAMPLE)
    set_command(verb, _add)

    verb = verbs.add_parser("set", help="change a stored template")
    verb.add_argument("template", help="its name")
    add_changes(verb, EXAMPLE)
    set_command(verb, _set)

    verb = verbs.add_parser("list", help="list templates, the ready-made ones among them")
    set_command(verb, _list, json=True)

    for word, run, text in (
        ("show", _show, "show a template's settings; what is not there has its default"),
        ("delete", deleting("template"), "delete a stored template no policy uses"),
    ):
        verb = verbs.add_parser(word, help=text)
        verb.add_argument("template", help="its name")
        set_command(verb, run)


async def _document(place: StoreCommand, name: str) -> dict[str, Any]:
    """The settings of a stored or a ready-made template. Raises CommandError."""
    from cmpd.clm.documents.template import ready_made
    from cmpd.clm.model import ObjectKind

    stored = await place.store.object(ObjectKind.TEMPLATE, name)
    if stored is not None:
        return stored.document
    if name in ready_made():
        return ready_made()[name].document()
    raise CommandError(f"there is no template {name!r}; `cmpd template list` shows those there are")


async def _add(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import ObjectKind, StoredObject

    like = await _document(place, arguments.like) if arguments.like else {}
    changes = await draft(place)
    document = assigned(like, arguments.settings)
    changes.put(StoredObject(ObjectKind.TEMPLATE, arguments.name, arguments.name, document), "add")
    await changes.commit()
    print(f"template {arguments.name} made")
    return os.EX_OK


async def _set(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.documents.template import ready_made
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    name = arguments.template
    if changes.find(ObjectKind.TEMPLATE, name) is None and name in ready_made():
        raise CommandError(
            f"{name} is ready-made; make your own: cmpd template add NEWNAME --like {name} --set KEY=VALUE"
        )
    stored = changes.get(ObjectKind.TEMPLATE, name)
    changed = changes.change(stored, assigned(stored.document, arguments.settings))
    await changes.commit()
    print(f"template {name} {'changed' if changed else 'is like that already'}")
    return os.EX_OK


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.documents.template import ready_made
    from cmpd.clm.model import ObjectKind

    stored = {one.name: one.document for one in await place.store.objects(ObjectKind.TEMPLATE)}
    origins = dict.fromkeys(ready_made(), "ready-made") | dict.fromkeys(stored, "stored")
    listed = [
        {"name": name, "origin": origin} | (await _document(place, name))
        for name, origin in sorted(origins.items())
    ]
    if arguments.json:
        print_json(listed)
    else:
        print_table(("NAME", "ORIGIN"), [(one["name"], one["origin"]) for one in listed])
    return os.EX_OK


async def _show(place: StoreCommand, arguments: argparse.Namespace) -> int:
    print_json({"name": arguments.template} | await _document(place, arguments.template))
    return os.EX_OK
