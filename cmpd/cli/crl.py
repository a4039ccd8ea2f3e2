"""`cmpd crl`: certificate revocation lists."""

from __future__ import annotations

import argparse
import os
import sys
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


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("crl", help=COMMANDS["crl"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("list", help="list the latest CRL of each CA")
    add_json(verb)
    verb.set_defaults(run=in_workplace(_list))

    verb = verbs.add_parser("make", help="make a CA's next CRL now")
    verb.add_argument("ca")
    verb.set_defaults(run=in_workplace(_make))

    verb = verbs.add_parser("show", help="write a CA's latest CRL, in PEM or DER")
    verb.add_argument("ca")
    verb.add_argument("--der", action="store_true", help="DER")
    verb.add_argument("--out", metavar="FILE", type=Path, help="where to (default: stdout)")
    verb.set_defaults(run=in_workplace(_show))


async def _list(place: Workplace, arguments: argparse.Namespace) -> int:
    from cmpd.clm.model import Kind

    listed = []
    for ca in await place.store.objects(Kind.CA):
        crl = await place.store.crl(ca.id)
        if crl is not None:
            listed.append(
                {
                    "ca": ca.name,
                    "number": crl.number,
                    "this_update": time_text(crl.this_update),
                    "next_update": time_text(crl.next_update),
                    "bytes": len(crl.der),
                }
            )
    if arguments.json:
        print_json(listed)
    else:
        rows = [tuple(str(value) for value in one.values()) for one in listed]
        print_table(("CA", "NUMBER", "THIS UPDATE", "NEXT UPDATE", "BYTES"), rows)
    return os.EX_OK


async def _make(place: Workplace, arguments: argparse.Namespace) -> int:
    from cmpd.clm.authority import load_authority
    from cmpd.clm.crl import refresh_crl
    from cmpd.clm.model import Kind

    stored = (await draft(place)).get(Kind.CA, arguments.ca)
    authority = load_authority(stored, place.master_key)
    if authority is None:
        raise CommandError(f"CA {stored.name} waits for its certificate; bring it with `cmpd ca install`")
    crl = await refresh_crl(place.store, authority, now(), actor=actor())
    if crl is not None:
        print(f"CRL {crl.number} of CA {stored.name}, until {time_text(crl.next_update)}")
    return os.EX_OK


async def _show(place: Workplace, arguments: argparse.Namespace) -> int:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from cmpd.clm.model import Kind

    stored = (await draft(place)).get(Kind.CA, arguments.ca)
    crl = await place.store.crl(stored.id)
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
        arguments.out.write_bytes(data)
    return os.EX_OK
