"""`cmpd crl`: certificate revocation lists."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import (
    CommandError,
    Workplace,
    actor,
    add_json,
    in_workplace,
    now,
    print_json,
    print_table,
    time_text,
)
from cmpd.cli.configuring import draft
from cmpd.cli.files import write_public


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("crl", help=COMMANDS["crl"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("list", help="list the latest CRLs of each CA")
    add_json(verb)
    verb.set_defaults(run=in_workplace(_list))

    verb = verbs.add_parser("make", help="make a CA's next CRL now; of a CA with several, all of them or one")
    verb.add_argument("ca")
    _add_partition(verb)
    verb.set_defaults(run=in_workplace(_make))

    verb = verbs.add_parser("show", help="write a CA's latest CRL, in PEM or DER")
    verb.add_argument("ca")
    _add_partition(verb)
    verb.add_argument("--der", action="store_true", help="DER")
    verb.add_argument("--out", metavar="FILE", type=Path, help="where to (default: stdout)")
    verb.set_defaults(run=in_workplace(_show))


def _add_partition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--partition",
        metavar="K",
        type=int,
        help="which, of a CA with several: the number in its URL, from 0",
    )


async def _list(place: Workplace, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import Kind

    listed = [
        {
            "ca": ca.name,
            "partition": crl.partition,
            "number": crl.number,
            "this_update": time_text(crl.this_update),
            "next_update": time_text(crl.next_update),
            "bytes": crl.octets,
        }
        for ca in await place.store.objects(Kind.CA)
        for crl in await place.store.crl_heads(ca.id)
    ]
    if arguments.json:
        print_json(listed)
    else:
        rows = [tuple(str(value) for value in one.values()) for one in listed]
        print_table(("CA", "PARTITION", "NUMBER", "THIS UPDATE", "NEXT UPDATE", "BYTES"), rows)
    return os.EX_OK


def _require(partition: int, partitions: int, name: str) -> None:
    if not 0 <= partition < partitions:
        raise CommandError(f"--partition: CA {name} has CRLs 0 to {partitions - 1}", os.EX_USAGE)


async def _make(place: Workplace, arguments: argparse.Namespace) -> int:
    from cmpd.clm.authority import load_authority
    from cmpd.clm.crl import refresh_crl
    from cmpd.clm.model import Kind

    stored = (await draft(place)).get(Kind.CA, arguments.ca)
    authority = load_authority(stored, place.master_key)
    if authority is None:
        raise CommandError(f"CA {stored.name} waits for its certificate; bring it with `cmpd ca install`")
    partitions: Iterable[int] = range(authority.crl_partitions)
    if arguments.partition is not None:
        _require(arguments.partition, authority.crl_partitions, stored.name)
        partitions = (arguments.partition,)
    for partition in partitions:
        crl = await refresh_crl(place.store, authority, partition, now(), actor=actor())
        which = f", partition {partition}" if authority.crl_partitions > 1 else ""
        print(f"CRL {crl.number} of CA {stored.name}{which}, until {time_text(crl.next_update)}")
    return os.EX_OK


async def _show(place: Workplace, arguments: argparse.Namespace) -> int:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from cmpd.clm.authority import AuthorityDocument
    from cmpd.clm.model import Kind

    stored = (await draft(place)).get(Kind.CA, arguments.ca)
    partitions = AuthorityDocument.of(stored).crl_partitions
    if partitions > 1 and arguments.partition is None:
        raise CommandError(
            f"CA {stored.name} has {partitions} CRLs: --partition says which, as in the URL that the "
            "certificate names",
            os.EX_USAGE,
        )
    partition = arguments.partition or 0
    _require(partition, partitions, stored.name)
    crl = await place.store.crl(stored.id, partition)
    if crl is None:
        raise CommandError(f"CA {stored.name} has no CRL yet; `cmpd crl make {stored.name}` makes one")
    data = crl.der
    if not arguments.der:
        data = x509.load_der_x509_crl(crl.der).public_bytes(Encoding.PEM)
    if arguments.out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_public(arguments.out, data)
    return os.EX_OK
