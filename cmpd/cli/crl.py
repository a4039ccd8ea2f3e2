"""`cmpd crl`: certificate revocation lists."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import (
    CommandError,
    StoreCommand,
    actor,
    now,
    print_json,
    print_table,
    set_command,
    time_text,
)
from cmpd.cli.configuring import act, draft
from cmpd.cli.files import write_public
from cmpd.printable import printable

if TYPE_CHECKING:
    from cryptography import x509

    from cmpd.clm.imported_crls.importing import Import


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("crl", help=COMMANDS["crl"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("list", help="list the latest CRLs of each CA, and those that were imported")
    set_command(verb, _list, json=True)

    verb = verbs.add_parser("make", help="make a CA's next CRL now; of a CA with several, all of them or one")
    verb.add_argument("ca")
    _add_partition(verb)
    set_command(verb, _make)

    verb = verbs.add_parser("show", help="write a CA's latest CRL, in PEM or DER")
    verb.add_argument("ca")
    _add_partition(verb)
    verb.add_argument("--der", action="store_true", help="DER")
    verb.add_argument("--out", metavar="FILE", type=Path, help="where to (default: stdout)")
    set_command(verb, _show)

    verb = verbs.add_parser(
        "import",
        help="take in CRLs of other people's CAs",
        description="Take in CRLs of vendors and foreign registration authorities, by which certificates "
        "of theirs are refused. Each is signed by a certificate that a policy names, or by an --issuer's.",
    )
    verb.add_argument("files", nargs="+", metavar="FILE", help="CRLs, in PEM (any number) or DER (one)")
    verb.add_argument(
        "--issuer",
        metavar="FILE",
        type=Path,
        help="certificates of issuers below those that policies name, and what is between them",
    )
    set_command(verb, _import)

    verb = verbs.add_parser("remove", help="take an imported CRL away")
    verb.add_argument("id", help="of `cmpd crl list`")
    set_command(verb, _remove)


def _add_partition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--partition",
        metavar="K",
        type=int,
        help="which, of a CA with several: the number in its URL, from 0",
    )


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.imported_crls.stored import imported_crls
    from cmpd.clm.model import ObjectKind

    listed: list[dict[str, Any]] = [
        {
            "ca": ca.name,
            "partition": crl.partition,
            "number": crl.number,
            "this_update": time_text(crl.this_update),
            "next_update": time_text(crl.next_update),
            "bytes": crl.octets,
        }
        for ca in await place.store.objects(ObjectKind.CA)
        for crl in await place.store.crl_heads(ca.id)
    ]
    imported = [
        {
            "issuer": crl.issuer.rfc4514_string(),
            "id": crl.id,
            "number": crl.number,
            "this_update": time_text(crl.this_update),
            "next_update": time_text(crl.next_update),
            "bytes": crl.octets,
        }
        for crl in await imported_crls(place.store)
    ]
    if arguments.json:
        print_json([*listed, *imported])
        return os.EX_OK
    print_table(("CA", "PARTITION", "NUMBER", "THIS UPDATE", "NEXT UPDATE", "BYTES"), _rows(listed))
    if imported:
        print()
        print_table(("IMPORTED, OF", "ID", "NUMBER", "THIS UPDATE", "NEXT UPDATE", "BYTES"), _rows(imported))
    return os.EX_OK


def _rows(listed: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [tuple("-" if value is None else str(value) for value in one.values()) for one in listed]


async def _import(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.authorities.ca_files import read_certificates
    from cmpd.clm.imported_crls.importing import CRLRefused, trusted_issuers

    more = []
    if arguments.issuer is not None:
        more = read_certificates(arguments.issuer.read_bytes(), str(arguments.issuer))
    try:
        issuers = await trusted_issuers(place.store, more, now())
    except CRLRefused as error:
        raise CommandError(f"{arguments.issuer}: {error}") from None
    refused: list[str] = []
    for file in arguments.files:
        refused += [f"{file}: {error}" async for error in _import_file(place, Path(file), issuers)]
    if refused:
        raise CommandError("\n".join(refused))
    return os.EX_OK


async def _import_file(
    place: StoreCommand, file: Path, issuers: list[x509.Certificate]
) -> AsyncIterator[str]:
    """What stands against CRLs of a file; the others are taken in."""
    from cmpd.clm.imported_crls.importing import LARGEST, CRLRefused, import_crl, read_crls

    try:
        with file.open("rb") as stream:
            crls = read_crls(stream.read(LARGEST + 1))
    except OSError as error:
        yield error.strerror or "cannot be read"
        return
    except CRLRefused as error:
        yield str(error)
        return
    for crl in crls:
        try:
            _tell(await import_crl(place.store, crl, issuers, act()))
        except CRLRefused as error:
            yield str(error)


def _tell(done: Import) -> None:
    crl = done.crl
    number = "CRL" if crl.number is None else f"CRL {crl.number}"
    state = f"until {time_text(crl.next_update)}"
    known = "" if done.is_new else ": it was there"
    print(f"{number} of {printable(crl.issuer.rfc4514_string())}, {state}{known}")
    if not crl.is_in_date(now()):
        print(
            "cmpd: the CRL above is out of date: what it lists is refused, but it clears nobody",
            file=sys.stderr,
        )


async def _remove(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.imported_crls.importing import CRLRefused, remove_crl

    try:
        await remove_crl(place.store, arguments.id, act())
    except CRLRefused as error:
        raise CommandError(str(error)) from None
    print(f"imported CRL {arguments.id} taken away")
    return os.EX_OK


def _require(partition: int, partitions: int, name: str) -> None:
    if not 0 <= partition < partitions:
        raise CommandError(f"--partition: CA {name} has CRLs 0 to {partitions - 1}", os.EX_USAGE)


async def _make(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd import issuers  # noqa: F401 - register themselves
    from cmpd.clm.authorities.authority import load_authority
    from cmpd.clm.issuance.crl_refresh import refresh_crl
    from cmpd.clm.issuance.issuer import issuer_of
    from cmpd.clm.model import ObjectKind

    stored = (await draft(place)).get(ObjectKind.CA, arguments.ca)
    authority = load_authority(stored, place.master_key)
    if authority is None:
        raise CommandError(f"CA {stored.name} waits for its certificate; bring it with `cmpd ca install`")
    partitions: Iterable[int] = range(authority.crl_partitions)
    if arguments.partition is not None:
        _require(arguments.partition, authority.crl_partitions, stored.name)
        partitions = (arguments.partition,)
    for partition in partitions:
        crl = await refresh_crl(place.store, issuer_of(authority), partition, now(), actor=actor())
        which = f", partition {partition}" if authority.crl_partitions > 1 else ""
        print(f"CRL {crl.number} of CA {stored.name}{which}, until {time_text(crl.next_update)}")
    return os.EX_OK


async def _show(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from cmpd.clm.authorities.authority import AuthorityDocument
    from cmpd.clm.model import ObjectKind

    stored = (await draft(place)).get(ObjectKind.CA, arguments.ca)
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
