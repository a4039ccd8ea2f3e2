"""`cmpd cert`: the certificates that were issued, and the requests that wait."""

from __future__ import annotations

import argparse
import hashlib
import os
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import (
    CommandError,
    StoreCommand,
    actor,
    login,
    now,
    print_json,
    print_table,
    set_command,
    time_text,
)
from cmpd.cli.configuring import act
from cmpd.printable import printable
from cmpd.reasons import REASONS

if TYPE_CHECKING:
    from cmpd.clm.model import Certificate


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("cert", help=COMMANDS["cert"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("list", help="list certificates, or the requests that wait for approval")
    verb.add_argument("--pending", action="store_true", help="the requests that wait for approval")
    verb.add_argument("--expiring", metavar="SPAN", help="active ones that end within 30d, 2w …")
    verb.add_argument("--count", action="store_true", help="counts per policy instead")
    verb.add_argument("--entity", metavar="UUID")
    verb.add_argument("--policy", help="name or UUID")
    verb.add_argument("--ca", help="name or id")
    verb.add_argument("--state", action="append", default=[], help="active, revoked, …; repeatable")
    verb.add_argument("--subject", metavar="TEXT", help="a part of the subject")
    verb.add_argument("--limit", metavar="N", type=int, help="no more than N")
    set_command(verb, _list, json=True)

    verb = verbs.add_parser("show", help="show a certificate")
    _add_serial(verb)
    verb.add_argument("--pem", action="store_true", help="print it in PEM")
    set_command(verb, _show, json=True)

    verb = verbs.add_parser("revoke", help="revoke a certificate, or put it on hold; the CRL follows at once")
    _add_serial(verb)
    verb.add_argument(
        "--reason",
        choices=list(REASONS),
        metavar="REASON",
        default="unspecified",
        help=f"one of {', '.join(REASONS)} (unspecified)",
    )
    set_command(verb, _revoke)

    verb = verbs.add_parser(
        "block",
        help="let a certificate without an end entity renew itself no more",
    )
    _add_serial(verb)
    set_command(verb, _block)

    verb = verbs.add_parser("approve", help="approve a request that waits")
    verb.add_argument("request", help="its transactionID, or how that begins")
    set_command(verb, _approve)

    verb = verbs.add_parser("reject", help="refuse a request that waits")
    verb.add_argument("request", help="its transactionID, or how that begins")
    verb.add_argument("--reason", metavar="TEXT", default="", help="what the client is told")
    set_command(verb, _reject)

    verb = verbs.add_parser("archive", help="put certificates that ended long ago into the store's archive")
    verb.add_argument("--ended", metavar="SPAN", default="1y", help="longer ago than this (1y)")
    set_command(verb, _archive)


def _add_serial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("serial", help="its serial number in hexadecimal")
    parser.add_argument("--ca", help="name or id of its CA, where more than one has this number")


def summary(record: Certificate) -> dict[str, Any]:
    """A certificate as lists show it."""
    return {
        "ca": record.ca,
        "serial": f"{record.serial:x}",
        "subject": record.subject,
        "state": str(record.state),
        "not_before": time_text(record.not_before),
        "not_after": time_text(record.not_after),
        "entity": record.entity,
        "policy": record.policy,
        "requested_by": record.requested_by,
        "held_by": record.held_by,
        "issued": time_text(record.issued),
        "revoked": record.revoked and time_text(record.revoked),
        "reason": next((name for name, code in REASONS.items() if code == record.reason), None),
        "fingerprint": hashlib.sha256(record.der).hexdigest(),
    }


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import CertificateState, ObjectKind
    from cmpd.clm.settings import parse_duration
    from cmpd.clm.store.base import CertificateQuery

    if arguments.pending:
        return await _list_pending(place, arguments)
    try:
        states = tuple(CertificateState(state) for state in arguments.state)
    except ValueError as error:
        known = ", ".join(CertificateState)
        raise CommandError(f"--state: {error}; known are {known}", os.EX_USAGE) from None
    before = None
    if arguments.expiring:
        before = now() + parse_duration(arguments.expiring, "--expiring")
        states = states or (CertificateState.ACTIVE,)
    query = CertificateQuery(
        ca=await _id(place, ObjectKind.CA, arguments.ca),
        entity=arguments.entity,
        policy=await _id(place, ObjectKind.POLICY, arguments.policy),
        states=states,
        subject=arguments.subject,
        expires_before=before,
        expires_after=now() if arguments.expiring else None,
        limit=arguments.limit,
    )
    if arguments.count:
        return await _count(place, query, arguments)
    listed = [summary(one) async for one in place.store.certificates(query)]
    if arguments.json:
        print_json(listed)
    else:
        rows = [(one["serial"], one["ca"], one["state"], one["not_after"], one["subject"]) for one in listed]
        print_table(("SERIAL", "CA", "STATE", "UNTIL", "SUBJECT"), rows)
    return os.EX_OK


async def _count(place: StoreCommand, query: Any, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import ObjectKind

    names = {one.id: one.name for one in await place.store.objects(ObjectKind.POLICY)}
    counts: dict[str, int] = {}
    async for record in place.store.certificates(query):
        name = names.get(record.policy or "", record.policy or "-")
        counts[name] = counts.get(name, 0) + 1
    if arguments.json:
        print_json([{"policy": name, "certificates": count} for name, count in sorted(counts.items())])
    else:
        print_table(("POLICY", "CERTIFICATES"), [(name, str(n)) for name, n in sorted(counts.items())])
    return os.EX_OK


async def _id(place: StoreCommand, kind: Any, name: str | None) -> str | None:
    if name is None:
        return None
    objects = await place.store.objects(kind)
    found = [one.id for one in objects if one.name == name] or [one.id for one in objects if one.id == name]
    if not found:
        raise CommandError(f"there is no {kind} {name!r}; `cmpd {kind} list` shows those there are")
    return found[0]


async def _list_pending(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.lifecycle.approval import waiting

    listed = [
        {
            "request": one.id,
            "asks": one.approval.asks,
            "subject": one.approval.subject,
            "serial": one.serial,
            "entity": one.transaction.entity,
            "policy": one.transaction.policy,
            "since": time_text(one.transaction.opened),
            "until": time_text(one.transaction.expires),
            "needed": one.approval.needed,
            "approvals": list(one.approval.approvals),
        }
        async for one in waiting(place.store)
    ]
    if arguments.json:
        print_json(listed)
    else:
        print_table(
            ("REQUEST", "ASKS FOR", "SINCE", "APPROVALS", "SUBJECT"),
            [
                (
                    str(one["request"]),
                    str(one["asks"]),
                    str(one["since"]),
                    f"{len(one['approvals'])} of {one['needed']}",  # type: ignore[arg-type] # a list
                    str(one["subject"]),
                )
                for one in listed
            ],
        )
    return os.EX_OK


async def _find(place: StoreCommand, arguments: argparse.Namespace) -> Certificate:
    from cmpd.clm.model import ObjectKind

    try:
        serial = int(arguments.serial.replace(":", ""), 16)
    except ValueError:
        raise CommandError(f"{arguments.serial!r} is not a hexadecimal serial number", os.EX_USAGE) from None
    chosen = await _id(place, ObjectKind.CA, arguments.ca)
    cas = [chosen] if chosen else [one.id for one in await place.store.objects(ObjectKind.CA)]
    found = [one for ca in cas if (one := await place.store.certificate(ca, serial))]
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{len(found)} CAs issued a certificate {serial:x}; name one with --ca")
    raise CommandError(f"there is no certificate {serial:x}; `cmpd cert list` shows those there are")


async def _show(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.documents.rules.pem_certificates import pem_text

    record = await _find(place, arguments)
    if arguments.json:
        print_json(summary(record) | {"pem": pem_text(record.der)})
    elif arguments.pem:
        print(pem_text(record.der), end="")
    else:
        for key, value in summary(record).items():
            if value is not None:
                print(f"{key:<12}{printable(value)}")
    return os.EX_OK


async def _revoke(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.certificates import AlreadyRevoked

    record = await _find(place, arguments)
    client = await login(place)
    try:
        unit = await client.certificates.revoke(record, REASONS[arguments.reason], actor=actor())
    except AlreadyRevoked as error:
        raise CommandError(f"{error}; nothing was changed") from None
    await client.commit(unit)
    authority = await client.catalog.authority(record.ca)
    crl = authority and await client.crl(authority, authority.points.partition_of(record.serial))
    number = f", and CRL {crl.number} says so" if crl else ""
    print(f"certificate {record.serial:x} of CA {record.ca}: {arguments.reason}{number}")
    return os.EX_OK


async def _block(place: StoreCommand, arguments: argparse.Namespace) -> int:
    """All certificates of this subject under this policy that nobody stands for become a blocked entity's."""
    from cmpd.clm.entities.entity_acts import take_in
    from cmpd.clm.model import Entity, EntityState, Identity
    from cmpd.clm.pkix.identities import FINGERPRINT, SUBJECT
    from cmpd.clm.store.base import CertificateQuery

    record = await _find(place, arguments)
    if record.policy is None:
        raise CommandError(f"certificate {record.serial:x} is a CA's or a signer's, which renews itself")
    if record.entity is not None and await place.store.entity(record.entity) is not None:
        raise CommandError(
            f"certificate {record.serial:x} has an end entity: `cmpd entity block {record.entity}` blocks it"
        )
    query = CertificateQuery(ca=record.ca, policy=record.policy, subject=record.subject)
    records = [
        one
        async for one in place.store.certificates(query)
        if one.subject == record.subject and (one.entity is None or one.entity == record.entity)
    ]
    fingerprint = hashlib.sha256(record.der).hexdigest()
    subject = Identity(SUBJECT, record.subject)
    entity = Entity(
        id="",
        name=record.subject or f"certificate {record.serial:x}",
        state=EntityState.BLOCKED,
        policies=(record.policy,),
        identities=(subject if record.subject else Identity(FINGERPRINT, fingerprint),),
    )
    await place.store.commit(take_in(act(), entity, records))
    print(
        f"{len(records)} certificates of {entity.name} belong to a blocked end entity now; "
        "`cmpd entity unblock` lets it in again, `cmpd cert revoke` revokes a certificate"
    )
    return os.EX_OK


async def _approve(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.lifecycle import approval

    who = act()
    request = await approval.decide(
        place.store, arguments.request, lambda waiting: approval.approve(who, waiting)
    )
    missing = request.approval.needed - len(request.approval.approvals) - 1
    print(f"request {request.id} approved" + (f"; {missing} more must approve it" if missing > 0 else ""))
    return os.EX_OK


async def _reject(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.lifecycle import approval

    who, why = act(), arguments.reason
    request = await approval.decide(
        place.store, arguments.request, lambda waiting: approval.reject(who, waiting, why)
    )
    print(f"request {request.id} refused")
    return os.EX_OK


async def _archive(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.lifecycle.retention import archive_ended
    from cmpd.clm.settings import parse_duration

    age = parse_duration(arguments.ended, "--ended")
    count = await archive_ended(place.store, act(), age)
    print(f"{count} certificates archived")
    return os.EX_OK
