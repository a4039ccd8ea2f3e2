"""`cmpd explain`: what an end entity may do, in plain words."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import StoreCommand, set_command
from cmpd.cli.entity import find
from cmpd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmpd.clm.documents.policy import Policy
    from cmpd.clm.model import Entity


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser("explain", help=COMMANDS["explain"])
    parser.add_argument("entity", help="an end entity: its UUID, or its name where only one has it")
    set_command(parser, _explain)


async def _explain(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.documents.policy import Policy
    from cmpd.clm.model import EntityState, ObjectKind

    entity = await find(place, arguments.entity)
    print(printable(f"{entity.name} ({entity.id}) is {entity.state}"))
    if entity.state is EntityState.BLOCKED:
        print("it gets nothing by whatever protection; `cmpd entity unblock` lets it in again")
        return os.EX_OK
    stored = await place.store.objects(ObjectKind.POLICY)
    policies = [Policy.of(one.id, one.name, one.document) for one in stored]
    for line in _lines(entity, policies):
        print(printable(line))
    return os.EX_OK


def _lines(entity: Entity, policies: Iterable[Policy]) -> Iterable[str]:
    from cmpd.cmp.parties.explain import acts_of

    told = False
    for policy in policies:
        for how, party in _parties(entity, policy):
            told = True
            yield ""
            yield f"at policy {policy.name} ({policy.id}), {how}"
            yield from (f"  {line}" for line in acts_of(party, policy))
    if not told:
        yield "it may use no policy that is there, and so gets nothing"


def _parties(entity: Entity, policy: Policy) -> Iterable[tuple[str, Any]]:
    from cmpd.clm.entities.identity_advice import names_certificates
    from cmpd.cmp.parties.party import Capacity, Party

    if policy.id in entity.policies:
        if entity.password is not None:
            yield "by its password", Party("", Capacity.PASSWORD, entity=entity)
            if policy.password_login:
                yield "by HTTP Basic authentication", Party("", Capacity.LOGIN, entity=entity)
        yield "by its certificates from here", Party("", Capacity.CERTIFICATE, entity=entity)
        if any(names_certificates(one, policy) for one in entity.identities):
            yield "by its vendor certificate", Party("", Capacity.VENDOR, entity=entity)
    for ra in policy.ras:
        if entity.id in ra.entities:
            yield f"as the registration authority {ra.name}", Party("", Capacity.RA, entity=entity, ra=ra)
