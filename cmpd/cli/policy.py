"""`cmpd policy`: under which restrictions certificates are issued."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import CommandError, StoreCommand, print_json, print_table, set_command
from cmpd.cli.configuring import add_changes, add_settings, assigned, deleting, draft
from cmpd.cli.entity import find

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
    set_command(verb, _add, json=True)

    verb = verbs.add_parser("set", help="change a policy")
    verb.add_argument("policy", help="its name or UUID")
    add_changes(verb, EXAMPLE)
    set_command(verb, _set)

    verb = verbs.add_parser("list", help="list policies")
    set_command(verb, _list, json=True)

    verb = verbs.add_parser("add-ra", help="let a registration authority speak for devices")
    verb.add_argument("policy", help="its name or UUID")
    verb.add_argument("name", help="what audit and log call the registration authority")
    verb.add_argument(
        "--certificate",
        metavar="FILE",
        action="append",
        default=[],
        help="its certificate, or a CA that certifies RAs, in PEM; repeatable",
    )
    verb.add_argument(
        "--entity",
        metavar="ENTITY",
        action="append",
        default=[],
        help="an end entity that acts as it by certificates from here; repeatable",
    )
    verb.add_argument(
        "--right",
        metavar="RIGHT",
        action="append",
        required=True,
        help="enrol, update, revoke, hold, release, raVerified, nest; repeatable",
    )
    verb.add_argument(
        "--subject",
        metavar="ATTRIBUTE=PATTERN",
        action="append",
        default=[],
        help="of the names it may speak for, as CN='pump-[0-9]+'; repeatable (default: any name)",
    )
    verb.add_argument(
        "--san",
        metavar="KIND=PATTERN",
        action="append",
        default=[],
        help="of the subjectAltNames it may speak for, as dns='pump-.*'; repeatable",
    )
    verb.add_argument(
        "--pinned", action="store_true", help="the certificate is its own, and needs no id-kp-cmcRA"
    )
    set_command(verb, _add_ra)

    verb = verbs.add_parser("remove-ra", help="take the rights from a registration authority")
    verb.add_argument("policy", help="its name or UUID")
    verb.add_argument("name", help="what it is called there")
    set_command(verb, _remove_ra)

    for word, run, text in (
        ("show", _show, "show a policy's settings; what is not there has its default"),
        ("explain", _explain, "say in plain words who may do what under a policy"),
        ("delete", deleting("policy"), "delete a policy nothing uses"),
    ):
        verb = verbs.add_parser(word, help=text)
        verb.add_argument("policy", help="its name or UUID")
        set_command(verb, run)


def _assigned(document: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """The document with the settings in it. Files that they name are relative to the current folder."""
    from cmpd.clm.declare.pemfiles import with_files_read

    return with_files_read(assigned(document, words), Path.cwd())


async def _add(place: StoreCommand, arguments: argparse.Namespace) -> int:
    import uuid

    from cmpd.clm.model import ObjectKind, StoredObject

    id = (arguments.id or str(uuid.uuid4())).lower()
    document = _assigned({"ca": arguments.ca, "template": arguments.template}, arguments.settings)
    changes = await draft(place)
    changes.put(StoredObject(ObjectKind.POLICY, id, arguments.name, document), "add")
    await changes.commit()
    print_json({"id": id, "name": arguments.name} | document) if arguments.json else print(id)
    return os.EX_OK


async def _set(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    stored = changes.get(ObjectKind.POLICY, arguments.policy)
    changed = changes.change(stored, _assigned(stored.document, arguments.settings))
    await changes.commit()
    print(f"policy {stored.name} {'changed' if changed else 'is like that already'}")
    return os.EX_OK


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import ObjectKind

    policies = [
        {"id": one.id, "name": one.name} | one.document
        for one in await place.store.objects(ObjectKind.POLICY)
    ]
    if arguments.json:
        print_json(policies)
    else:
        rows = [(one["name"], one["id"], one["ca"], one["template"]) for one in policies]
        print_table(("NAME", "UUID", "CA", "TEMPLATE"), rows)
    return os.EX_OK


async def _show(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import ObjectKind

    stored = (await draft(place)).get(ObjectKind.POLICY, arguments.policy)
    print_json({"id": stored.id, "name": stored.name} | stored.document)
    return os.EX_OK


async def _explain(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.documents.policy import Policy
    from cmpd.clm.model import ObjectKind
    from cmpd.cmp.parties.explain import explain

    stored = (await draft(place)).get(ObjectKind.POLICY, arguments.policy)
    for line in explain(Policy.of(stored.id, stored.name, stored.document)):
        print(line)
    return os.EX_OK


async def _add_ra(place: StoreCommand, arguments: argparse.Namespace) -> int:
    row = {
        "name": arguments.name,
        "rights": arguments.right,
        "certificates": arguments.certificate,
        "entities": [(await find(place, one)).id for one in arguments.entity],
        "subject": dict(_pattern(one) for one in arguments.subject),
        "san": dict(_pattern(one) for one in arguments.san),
    }
    row = {key: value for key, value in row.items() if value}
    if arguments.pinned:
        row["pinned"] = True
    return await _change_ras(place, arguments, [row])


async def _remove_ra(place: StoreCommand, arguments: argparse.Namespace) -> int:
    return await _change_ras(place, arguments, [])


async def _change_ras(place: StoreCommand, arguments: argparse.Namespace, rows: list[dict[str, Any]]) -> int:
    """Put these rows in the place of the one of that name. Raises CommandError where none is to be taken."""
    from cmpd.clm.declare.pemfiles import with_files_read
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    stored = changes.get(ObjectKind.POLICY, arguments.policy)
    before = stored.document.get("registration_authorities", [])
    kept = [row for row in before if row["name"] != arguments.name]
    if not rows and len(kept) == len(before):
        known = ", ".join(row["name"] for row in before) or "none"
        raise CommandError(
            f"policy {stored.name} has no registration authority {arguments.name!r}; it has {known}"
        )
    document = {**stored.document, "registration_authorities": [*kept, *rows]}
    document = with_files_read(document, Path.cwd())
    if not document["registration_authorities"]:
        del document["registration_authorities"]
    changes.change(stored, document)
    await changes.commit()
    print(f"policy {stored.name} changed; `cmpd policy explain {stored.name}` says who may do what")
    return os.EX_OK


def _pattern(text: str) -> tuple[str, str]:
    name, equals, pattern = text.partition("=")
    if not equals or not pattern:
        raise CommandError(f"{text!r} is not NAME=PATTERN, as CN='pump-[0-9]+'", os.EX_USAGE)
    return name, pattern
