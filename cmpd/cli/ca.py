"""`cmpd ca`: the CAs of the store."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.addresses import base_url
from cmpd.cli.common import (
    CommandError,
    StoreCommand,
    add_password,
    print_json,
    print_table,
    read_password,
    set_command,
    time_text,
)
from cmpd.cli.configuring import act, deleting, draft
from cmpd.cli.files import write_public
from cmpd.times import seconds_of

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.configuration.objects import Draft
    from cmpd.clm.lifecycle.ca import CAContext


class KeyAction(argparse.Action):
    """Takes the name of a key to make. Its help lists them as ``%(algorithms)s``, which imports what is slow
    when the help is printed, and not before."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.algorithms = _Algorithms()

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: Any = None) -> None:
        setattr(namespace, self.dest, values)


class _Algorithms:
    """The names of the keys that can be made, as text."""

    def __str__(self) -> str:
        from cmpd.clm.pkix.algorithms import KEYS

        return ", ".join(KEYS.makers())


def register(subparsers: Any) -> None:
    """Add the noun and its verbs."""
    parser = subparsers.add_parser("ca", help=COMMANDS["ca"])
    verbs = parser.add_subparsers(title="commands", metavar="VERB", required=True)

    verb = verbs.add_parser("create", help="make a root, or a CA under another one of this store")
    _add_new(verb)
    verb.add_argument("--under", metavar="CA", help="the CA that certifies it (default: it is a root)")
    verb.add_argument("--validity", metavar="SPAN", default="10y", help="how long it is valid (10y)")
    verb.add_argument("--path-length", metavar="N", type=int, help="CAs that may follow below it (any; 0)")
    set_command(verb, _create)

    verb = verbs.add_parser("import", help="take in a CA that was made elsewhere, key and all")
    verb.add_argument("name")
    _add_url(verb)
    verb.add_argument("--certificates", metavar="FILE", type=Path, help="its certificate and those above it")
    verb.add_argument("--key", metavar="FILE", type=Path, help="its private key")
    verb.add_argument("--pkcs12", metavar="FILE", type=Path, help="all of it, in PKCS #12")
    add_password(verb)
    _add_partitions(verb, default=1)
    set_command(verb, _import)

    verb = verbs.add_parser("request", help="make a key, and a PKCS #10 request for another CA to certify")
    _add_new(verb)
    verb.add_argument("--out", metavar="FILE", type=Path, help="where to write the request (default: stdout)")
    set_command(verb, _request)

    verb = verbs.add_parser("install", help="take in the certificate that came for a request")
    verb.add_argument("ca")
    verb.add_argument("certificates", metavar="FILE", type=Path, help="its certificate and those above it")
    set_command(verb, _install)

    verb = verbs.add_parser("rollover", help="give a CA its next key; the old one serves what it signed")
    verb.add_argument("ca")
    verb.add_argument("--key", metavar="ALGORITHM", help="the new key's (default: as the old one)")
    _add_partitions(verb, default=None)
    set_command(verb, _rollover)

    verb = verbs.add_parser("signer", help="renew a CA's CMP signer now")
    verb.add_argument("ca")
    set_command(verb, _signer)

    verb = verbs.add_parser("list", help="list CAs")
    set_command(verb, _list, json=True)

    verb = verbs.add_parser("show", help="print a CA's certificate and those above it, in PEM")
    verb.add_argument("ca")
    set_command(verb, _show)

    verb = verbs.add_parser("delete", help="delete a CA nothing uses, key and all")
    verb.add_argument("ca")
    set_command(verb, deleting("ca"))


def _add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", help="base URL of its CRL, for certificates to name (default: by the first listener)"
    )


def _add_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what policies and operators call it")
    parser.add_argument("--subject", metavar="NAME", required=True, help="as CN=Factory CA,O=Example,C=DE")
    parser.add_argument(
        "--key",
        metavar="ALGORITHM",
        default="P-256",
        action=KeyAction,
        help="%(algorithms)s (%(default)s)",
    )
    _add_url(parser)
    _add_partitions(parser, default=1)


def _add_partitions(parser: argparse.ArgumentParser, *, default: int | None) -> None:
    parser.add_argument(
        "--crl-partitions",
        metavar="N",
        type=int,
        default=default,
        help="spread its certificates over so many CRLs, for good "
        f"(default: {'as the old key' if default is None else default})",
    )


def _url(place: StoreCommand, arguments: argparse.Namespace) -> str:
    return str(arguments.url) if arguments.url else base_url(place.config)


def _maker(place: StoreCommand) -> CAContext:
    from cmpd.clm.lifecycle.ca import CAContext

    return CAContext(act(), place.master_key)


def _load(place: StoreCommand, changes: Draft, name: str) -> Authority:
    from cmpd.clm.authorities.authority import load_authority
    from cmpd.clm.model import ObjectKind

    authority = load_authority(changes.get(ObjectKind.CA, name), place.master_key)
    if authority is None:
        raise CommandError(f"CA {name} waits for its certificate; bring it with `cmpd ca install`")
    return authority


def _subject(arguments: argparse.Namespace) -> Any:
    from cmpd.clm.pkix.names import parse_name, require_lengths

    try:
        name = parse_name(arguments.subject)
        require_lengths(name)
    except ValueError as error:
        raise CommandError(f"--subject: {error}") from None
    return name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", os.EX_NOINPUT) from None


def _refuse_taken(changes: Draft, name: str) -> None:
    from cmpd.clm.model import ObjectKind

    if changes.find(ObjectKind.CA, name) or changes.find(ObjectKind.CA, f"{name}-1"):
        raise CommandError(f"there is a CA {name} already; `cmpd ca list` shows those there are")


async def _create(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.lifecycle.ca import make_issuing, make_root
    from cmpd.clm.settings import parse_duration

    changes = await draft(place)
    _refuse_taken(changes, arguments.name)
    validity = parse_duration(arguments.validity, "--validity")
    new = (
        _maker(place),
        arguments.name,
        _subject(arguments),
        arguments.key,
        validity,
        _url(place, arguments),
    )
    if arguments.under is None:
        made = await make_root(*new, arguments.crl_partitions)
    else:
        length = 0 if arguments.path_length is None else arguments.path_length
        above = _load(place, changes, arguments.under)
        made = await make_issuing(*new, above, length, arguments.crl_partitions)
    changes.take(made.unit)
    await changes.commit()
    print(f"CA {arguments.name} made; `cmpd ca show {arguments.name}` prints its certificate")
    return os.EX_OK


async def _import(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.authorities.ca_files import read_certificates, read_key, read_pkcs12
    from cmpd.clm.authorities.key_kinds.software import SoftwareKey
    from cmpd.clm.lifecycle.ca import import_ca
    from cmpd.clm.secrets import require_private

    changes = await draft(place)
    _refuse_taken(changes, arguments.name)
    password = read_password(arguments)
    if arguments.pkcs12:
        key, certificates = read_pkcs12(_read(arguments.pkcs12), password, str(arguments.pkcs12))
    elif arguments.certificates and arguments.key:
        certificates = read_certificates(_read(arguments.certificates), str(arguments.certificates))
        data = _read(arguments.key)
        if password is None:
            require_private(arguments.key, arguments.key.stat(), "CA's private key")
        key = read_key(data, password, str(arguments.key))
    else:
        raise CommandError("give --pkcs12, or --certificates and --key", os.EX_USAGE)
    url = _url(place, arguments)
    ours = SoftwareKey(key)
    made = await import_ca(_maker(place), arguments.name, certificates, ours, url, arguments.crl_partitions)
    changes.take(made.unit)
    await changes.commit()
    print(f"CA {arguments.name} taken in; its key is sealed in the store, the files may go")
    return os.EX_OK


async def _request(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.lifecycle.ca import request_ca

    changes = await draft(place)
    _refuse_taken(changes, arguments.name)
    made, pem = await request_ca(
        _maker(place),
        arguments.name,
        _subject(arguments),
        arguments.key,
        _url(place, arguments),
        arguments.crl_partitions,
    )
    changes.take(made.unit)
    await changes.commit()
    if arguments.out is None:
        print(pem, end="")
    else:
        write_public(arguments.out, pem.encode("ascii"))
        print(f"{arguments.out}: have it certified, then: cmpd ca install {arguments.name} CERTIFICATES")
    return os.EX_OK


async def _install(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.authorities.ca_files import read_certificates
    from cmpd.clm.lifecycle.ca import install_certificate
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    stored = changes.get(ObjectKind.CA, arguments.ca)
    certificates = read_certificates(_read(arguments.certificates), str(arguments.certificates))
    installed = await install_certificate(_maker(place), stored, certificates)
    changes.take(installed.unit)
    await changes.commit()
    print(f"CA {stored.name} has its certificate, and can issue")
    return os.EX_OK


async def _rollover(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.authorities.authority import AuthorityDocument
    from cmpd.clm.lifecycle.rollover import roll_over
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    stored = changes.get(ObjectKind.CA, arguments.ca)
    parent = AuthorityDocument.of(stored).parent
    above = _load(place, changes, parent) if parent else None
    own = _load(place, changes, stored.id)
    old, made = await roll_over(_maker(place), stored, own, above, arguments.key, arguments.crl_partitions)
    changes.take(made.unit)
    await changes.commit()
    print(f"CA {stored.name} has a new key; the old one is CA {old.name}, and serves what it signed")
    return os.EX_OK


async def _signer(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.lifecycle.ca import renew_signer
    from cmpd.clm.model import ObjectKind

    changes = await draft(place)
    stored = changes.get(ObjectKind.CA, arguments.ca)
    authority = _load(place, changes, stored.id)
    changes.take((await renew_signer(_maker(place), stored, authority, "signer")).unit)
    await changes.commit()
    print(f"CA {stored.name} has a new CMP signer")
    return os.EX_OK


async def _list(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cryptography import x509

    from cmpd.clm.authorities.authority import AuthorityDocument
    from cmpd.clm.model import ObjectKind

    listed: list[dict[str, Any]] = []
    for stored in await place.store.objects(ObjectKind.CA):
        document = AuthorityDocument.of(stored)
        end = signer_end = None
        if document.certificate and document.signer:
            end = seconds_of(x509.load_der_x509_certificate(document.certificate).not_valid_after_utc)
            signer = x509.load_der_x509_certificate(document.signer.certificate)
            signer_end = seconds_of(signer.not_valid_after_utc)
        crls = await place.store.crl_heads(stored.id)
        crl = min(crls, key=lambda head: head.next_update, default=None)
        listed.append(
            {
                "id": stored.id,
                "name": stored.name,
                "subject": document.subject,
                "state": "waiting" if end is None else "rolled over" if document.successor else "issuing",
                "not_after": time_text(end),
                "signer_not_after": time_text(signer_end),
                "crl_partitions": document.crl_partitions,
                "crl_number": crl and crl.number,
                "crl_next_update": time_text(crl.next_update if crl else None),
            }
        )
    if arguments.json:
        print_json(listed)
    else:
        rows = [(one["name"], one["state"], one["not_after"], one["subject"]) for one in listed]
        print_table(("NAME", "STATE", "UNTIL", "SUBJECT"), rows)
    return os.EX_OK


async def _show(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.documents.rules.pem_certificates import pem_text

    authority = _load(place, await draft(place), arguments.ca)
    for der in (authority.certificate_der, *authority.chain):
        print(pem_text(der), end="")
    return os.EX_OK
