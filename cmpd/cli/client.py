"""`cmpd client`: the API clients that cmpd may log in to the lifecycle as."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import StoreCommand, now, print_json, print_table, set_command, time_text
from cmpd.cli.configuring import deleting, draft

if TYPE_CHECKING:
    from cmpd.clm.configuration.objects import Draft


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("client", help=COMMANDS["client"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("add", help="make an API client; prints its secret once")
    verb.add_argument("client", help="its id")
    verb.add_argument("--default-policy", metavar="POLICY", help="where a request names none")
    verb.add_argument(
        "--policy", metavar="POLICY", action="append", help="a policy it may use (default: all); repeatable"
    )
    set_command(verb, _add)

    verb = verbs.add_parser("list", help="list API clients")
    set_command(verb, _list, json=True)

    verb = verbs.add_parser("rotate", help="give it a new secret, and print it once")
    verb.add_argument("client", help="its id")
    verb.add_argument(
        "--overlap", metavar="SPAN", default="0s", help="how long the old one stays valid: 12h, 7d … (0s)"
    )
    set_command(verb, _rotate)

    verb = verbs.add_parser("set", help="change what it may use")
    verb.add_argument("client", help="its id")
    verb.add_argument("--default-policy", metavar="POLICY", help="where a request names none; - for none")
    verb.add_argument("--policy", metavar="POLICY", action="append", help="a policy it may use; - for all")
    set_command(verb, _set)

    for word, run, text in (
        ("disable", _switch, "keep it out"),
        ("enable", _switch, "let it in again"),
        ("delete", deleting("client"), "delete it"),
    ):
        verb = verbs.add_parser(word, help=text)
        verb.add_argument("client", help="its id")
        set_command(verb, run, verb=word)


def _policies(changes: Draft, arguments: argparse.Namespace) -> dict[str, Any]:
    """The policies named on the command line, by id; only what was named."""
    from cmpd.clm.model import ObjectKind

    chosen: dict[str, Any] = {}
    if arguments.default_policy is not None:
        name = arguments.default_policy
        chosen["default_policy"] = None if name == "-" else changes.get(ObjectKind.POLICY, name).id
    if arguments.policy is not None:
        names = arguments.policy
        chosen["policies"] = (
            None if names == ["-"] else tuple(changes.get(ObjectKind.POLICY, name).id for name in names)
        )
    return chosen


async def _add(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.configuration.api_client import APIClient
    from cmpd.clm.model import ObjectKind, StoredObject
    from cmpd.clm.secrets import new_secret

    changes = await draft(place)
    secret = new_secret()
    client = APIClient(**_policies(changes, arguments)).with_secret(secret, now())
    id = arguments.client
    changes.put(StoredObject(ObjectKind.API_CLIENT, id, id, client.document()), "add")
    await changes.commit()
    _show_secret(id, secret)
    return os.EX_OK


def _show_secret(id: str, secret: str) -> None:
    print(f"id      {id}\nsecret  {secret}\n\nThe secret is shown this once: put it into the file that")
    print("[client] secret_file names, mode 0600.")


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.configuration.api_client import APIClient
    from cmpd.clm.model import ObjectKind

    listed: list[dict[str, Any]] = []
    for stored in await place.store.objects(ObjectKind.API_CLIENT):
        client = APIClient.of(stored)
        valid = [one for one in client.secrets if one.expires is None or now() < one.expires]
        listed.append(
            {
                "id": client.id,
                "state": "disabled" if client.disabled else "enabled",
                "default_policy": client.default_policy,
                "policies": None if client.policies is None else list(client.policies),
                "secrets": [
                    {"created": time_text(one.created), "expires": one.expires and time_text(one.expires)}
                    for one in valid
                ],
            }
        )
    if arguments.json:
        print_json(listed)
    else:
        rows = [
            (one["id"], one["state"], one["default_policy"] or "-", str(len(one["secrets"])))
            for one in listed
        ]
        print_table(("ID", "STATE", "DEFAULT POLICY", "SECRETS"), rows)
    return os.EX_OK


async def _rotate(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.configuration.api_client import APIClient
    from cmpd.clm.model import ObjectKind
    from cmpd.clm.secrets import new_secret
    from cmpd.clm.settings import parse_duration

    changes = await draft(place)
    stored = changes.get(ObjectKind.API_CLIENT, arguments.client)
    secret = new_secret()
    overlap = parse_duration(arguments.overlap, "--overlap")
    changes.change(stored, APIClient.of(stored).with_secret(secret, now(), overlap).document(), "rotate")
    await changes.commit()
    _show_secret(stored.id, secret)
    return os.EX_OK


async def _set(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from cmpd.clm.configuration.api_client import APIClient
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    stored = changes.get(ObjectKind.API_CLIENT, arguments.client)
    client = replace(APIClient.of(stored), **_policies(changes, arguments))
    changed = changes.change(stored, client.document())
    await changes.commit()
    print(f"API client {stored.id} {'changed' if changed else 'is like that already'}")
    return os.EX_OK


async def _switch(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    stored = changes.get(ObjectKind.API_CLIENT, arguments.client)
    document = {key: value for key, value in stored.document.items() if key != "disabled"}
    if arguments.verb == "disable":
        document["disabled"] = True
    changes.change(stored, document, arguments.verb)
    await changes.commit()
    print(f"API client {stored.id} is {arguments.verb}d")
    return os.EX_OK
