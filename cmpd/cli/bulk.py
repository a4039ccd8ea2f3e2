"""`cmpd entity import` and `export`: end entities by the ten thousand."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from cmpd.cli.common import CommandError, StoreCommand, set_command
from cmpd.cli.configuring import act, draft
from cmpd.cli.files import create_private
from cmpd.cli.identities import add_anchor, advise, anchor_of
from cmpd.cli.progress import ProgressBar


def register_bulk(verbs: Any) -> None:
    """Add the verbs to `cmpd entity`."""
    verb = verbs.add_parser("import", help="register end entities from a CSV or JSON lines file")
    verb.add_argument("file", metavar="FILE", type=Path, help="- is standard input")
    _add_format(verb)
    verb.add_argument("--policy", metavar="POLICY", action="append", help="for those that name none")
    add_anchor(verb)
    verb.add_argument(
        "--passwords",
        metavar="FILE",
        type=Path,
        help="make a password for those that bring none, and write id,name,password there (CSV, mode 0600)",
    )
    set_command(verb, _import)

    verb = verbs.add_parser("export", help="write end entities to stdout, without secrets")
    verb.add_argument("search", nargs="?", help="a part of id, name, reference or identity")
    _add_format(verb)
    set_command(verb, _export)


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("csv", "jsonl"), help="default: by the file's name, else jsonl")


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if str(path) == "-":
        yield sys.stdin
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", os.EX_NOINPUT) from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text", os.EX_DATAERR) from None


def _format(arguments: argparse.Namespace) -> str:
    return arguments.format or ("csv" if str(arguments.file).endswith(".csv") else "jsonl")


async def _import(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.declare.bulk import Importer, read_csv, read_json_lines
    from cmpd.clm.entities.identity_advice import advice, policies_of
    from cmpd.clm.entities.identity_text import understood
    from cmpd.clm.model import ObjectKind
    from cmpd.clm.pkix.identities import SUBJECT

    changes = await draft(place)
    policies = tuple(changes.get(ObjectKind.POLICY, name).id for name in arguments.policy or ())
    importer = Importer(place.store, place.master_key, act(), policies, anchor_of(arguments))
    reader = read_csv if _format(arguments) == "csv" else read_json_lines
    with _opened(arguments.file) as file:
        rows = await importer.rows(reader(file), passwords=arguments.passwords is not None)
    entities = [row.entity for row in rows]
    advise(await advice(place.store, entities, policies_of(changes.objects[ObjectKind.POLICY].values())))
    if arguments.passwords is not None:
        # Before anything is stored: a password that cannot be handed on must not be in use.
        _write_passwords(arguments.passwords, [row for row in rows if row.generated])
    progress = ProgressBar()
    try:
        async for done in importer.store(rows):
            progress.show("entities", done, len(rows))
    finally:
        progress.done()
    print(f"{len(rows)} entities registered")
    subjects = [one for entity in entities for one in entity.identities if one.kind == SUBJECT]
    if subjects:
        print(f"{len(subjects)} subjects were read; the first one is {understood(subjects[0])}")
    return os.EX_OK


def _write_passwords(path: Path, rows: list[Any]) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("id", "name", "password"))
    writer.writerows((row.entity.id, row.entity.name, row.password) for row in rows)
    try:
        create_private(path, table.getvalue().encode())
    except FileExistsError:
        raise CommandError(f"{path} is there already, and nothing is overwritten", os.EX_CANTCREAT) from None


async def _export(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.declare.bulk import export_csv, export_json_lines

    if arguments.format == "csv":
        async for _ in export_csv(place.store, sys.stdout, arguments.search):
            pass
    else:
        async for line in export_json_lines(place.store, arguments.search):
            sys.stdout.write(line)
    return os.EX_OK
