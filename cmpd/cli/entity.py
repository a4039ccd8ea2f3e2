"""`cmpd entity`: who may ask for certificates, and by which shared secret."""

from __future__ import annotations

import argparse
import os
import shlex
import uuid
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.addresses import for_devices
from cmpd.cli.bulk import register_bulk
from cmpd.cli.common import (
    CommandError,
    StoreCommand,
    add_password,
    now,
    print_json,
    print_table,
    read_password,
    set_command,
    time_text,
)
from cmpd.cli.configuring import act
from cmpd.cli.identities import add_identities, advise, known_by
from cmpd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmpd.clm.model import Entity, Identity


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("entity", help=COMMANDS["entity"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("add", help="register an end entity; prints its UUID and password once")
    verb.add_argument("name", help="what people call it")
    verb.add_argument("--id", metavar="UUID", type=_uuid, help="its UUID (default: a random one)")
    verb.add_argument(
        "--policy",
        metavar="POLICY",
        action="append",
        help="UUID or name of a policy it may use (default: the API client's default policy); repeatable",
    )
    add_identities(verb)
    verb.add_argument("--no-password", action="store_true", help="it authenticates by certificate only")
    _add_password_limits(verb)
    add_password(verb)
    set_command(verb, _add, json=True)

    verb = verbs.add_parser("list", help="list end entities")
    verb.add_argument("search", nargs="?", help="a part of id, name, reference or identity")
    set_command(verb, _list, json=True)

    verb = verbs.add_parser("show", help="show an end entity and its certificates")
    _add_entity(verb)
    set_command(verb, _show, json=True)

    verb = verbs.add_parser("password", help="give it a new password; the old one is void at once")
    _add_entity(verb)
    _add_password_limits(verb)
    add_password(verb)
    set_command(verb, _password, json=True)

    for word, help_text in (("block", "refuse it everything"), ("unblock", "let it in again")):
        verb = verbs.add_parser(word, help=help_text)
        _add_entity(verb)
        set_command(verb, _set_state, verb=word)

    register_bulk(verbs)


def _add_entity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entity", help="its UUID, or its name where only one has it")


def _add_password_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--uses", metavar="N", type=_count, help="the password begins N transactions, no more"
    )
    parser.add_argument(
        "--expires", metavar="SPAN", type=_span, help="the password is void after 12h, 30d, …"
    )


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _span(text: str) -> int:
    from cmpd.clm.settings import DocumentError, parse_duration

    try:
        span = parse_duration(text)
    except DocumentError:
        span = 0
    if not span:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time span like 90m, 12h or 30d")
    return span


async def find(place: StoreCommand, id_or_name: str) -> Entity:
    """The end entity with that UUID, or that name. Raises CommandError where there is none, or several."""
    found = await place.store.entity(id_or_name.lower())
    if found:
        return found
    named = [one async for one in place.store.entities(id_or_name) if one.name == id_or_name]
    if len(named) == 1:
        return named[0]
    if named:
        raise CommandError(f"{len(named)} entities are called {id_or_name!r}; name one by its UUID")
    raise CommandError(f"there is no entity {id_or_name!r}; `cmpd entity list` shows those there are")


async def _policies(place: StoreCommand, names: list[str] | None) -> tuple[str, ...]:
    from cmpd.clm.model import ObjectKind

    if names is None:
        client = await place.store.object(ObjectKind.API_CLIENT, place.config.client.id)
        default = client.document.get("default_policy") if client else None
        if not default:
            raise CommandError("the API client has no default policy: name one with --policy")
        names = [default]
    found = []
    for name in names:
        policy = await place.store.object(ObjectKind.POLICY, name)
        if policy is None:
            known = ", ".join(sorted(one.name for one in await place.store.objects(ObjectKind.POLICY)))
            raise CommandError(f"there is no policy {name!r}; there are: {known or 'none'}")
        found.append(policy.id)
    return tuple(found)


def _summary(entity: Entity) -> dict[str, Any]:
    from cmpd.clm.entities.identity_text import identity_table, reference_text

    return {
        "id": entity.id,
        "name": entity.name,
        "state": str(entity.state),
        "password": entity.password is not None,
        "password_expires": entity.password_expires and time_text(entity.password_expires),
        "password_uses": entity.password_uses,
        "policies": list(entity.policies),
        "references": [reference_text(one) for one in entity.references],
        "identities": [identity_table(one) for one in entity.identities],
        "attributes": entity.attributes,
        "created": time_text(entity.created),
    }


def _print_secret(
    place: StoreCommand,
    entity: Entity,
    password: str | None,
    arguments: argparse.Namespace,
    given: Iterable[Identity] = (),
) -> None:
    """The UUID, how the identities given were understood and, this once, the generated password; a password
    the operator gave is not repeated."""
    from cmpd.clm.entities.identity_text import understood

    if arguments.json:
        print_json({**_summary(entity), "new_password": password})
        return
    print(f"UUID      {entity.id}")
    for identity in given:
        print(f"identity  {printable(understood(identity))}")
    if password is None:
        return
    print(f"password  {password}")
    print("\nThe password is shown this once. To use them:\n")
    print("    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem")
    options = {
        "-server": for_devices(place.config.listen[0].address),
        "-path": "cmp",
        "-newkey": "key.pem",
        "-ref": entity.id,
        "-secret": f"pass:{password}",
        "-certout": "cert.pem",
        "-subject": f"/CN={entity.name}",
    }
    words = [word for option in options.items() for word in option]
    print("    " + shlex.join(["openssl", "cmp", "-cmd", "ir", *words]))


async def _add(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.entities import entity_acts
    from cmpd.clm.entities.identity_advice import advice, policies_of
    from cmpd.clm.model import Entity, ObjectKind
    from cmpd.clm.secrets import new_password

    given = read_password(arguments)
    if arguments.no_password and given is not None:
        raise CommandError("--no-password and a password contradict each other", os.EX_USAGE)
    password = None if arguments.no_password else given or new_password()
    references, identities = known_by(arguments)
    template = Entity(
        id=arguments.id or "",
        name=arguments.name,
        password_expires=arguments.expires and now() + arguments.expires,
        password_uses=arguments.uses,
        policies=await _policies(place, arguments.policy),
        references=references,
        identities=identities,
    )
    entity, unit = entity_acts.add(act(), place.master_key, template, password)
    advise(await advice(place.store, [entity], policies_of(await place.store.objects(ObjectKind.POLICY))))
    await place.store.commit(unit)
    made = password if given is None else None
    _print_secret(place, entity, made, arguments, entity.identities)
    return os.EX_OK


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    found = [_summary(one) async for one in place.store.entities(arguments.search)]
    if arguments.json:
        print_json(found)
    else:
        rows = [(one["id"], one["state"], "yes" if one["password"] else "no", one["name"]) for one in found]
        print_table(("UUID", "STATE", "PASSWORD", "NAME"), rows)
    return os.EX_OK


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)


async def _show(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.entities.identity_text import identity_text
    from cmpd.clm.store.base import CertificateQuery

    entity = await find(place, arguments.entity)
    certificates = [
        {
            "ca": one.ca,
            "serial": f"{one.serial:x}",
            "subject": one.subject,
            "state": str(one.state),
            "not_after": time_text(one.not_after),
        }
        async for one in place.store.certificates(CertificateQuery(entity=entity.id))
    ]
    summary = _summary(entity)
    if arguments.json:
        print_json({**summary, "certificates": certificates})
        return os.EX_OK
    shown = summary | {"identities": list(map(identity_text, entity.identities))}
    for key, value in shown.items():
        if value not in (None, [], {}):
            print(f"{key:<18}{printable(_text(value))}")
    if certificates:
        print()
        print_table(
            ("CA", "SERIAL", "STATE", "UNTIL", "SUBJECT"),
            [(c["ca"], c["serial"], c["state"], c["not_after"], c["subject"]) for c in certificates],
        )
    return os.EX_OK


async def _password(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.entities import entity_acts
    from cmpd.clm.secrets import new_password

    entity = await find(place, arguments.entity)
    given = read_password(arguments)
    password = given or new_password()
    expires = arguments.expires and now() + arguments.expires
    unit = entity_acts.set_password(
        act(), place.master_key, entity, password, expires=expires, uses=arguments.uses
    )
    await place.store.commit(unit)
    _print_secret(place, await find(place, entity.id), password if given is None else None, arguments)
    return os.EX_OK


async def _set_state(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.entities import entity_acts
    from cmpd.clm.model import EntityState

    entity = await find(place, arguments.entity)
    state = EntityState.BLOCKED if arguments.verb == "block" else EntityState.ACTIVE
    if entity.state is state:
        print(f"{entity.id} is {state} already")
        return os.EX_OK
    await place.store.commit(entity_acts.set_state(act(), entity, state))
    print(f"{entity.id} is {state}")
    return os.EX_OK
