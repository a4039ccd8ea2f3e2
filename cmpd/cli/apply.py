"""`cmpd apply`: make the configuration what a file declares, all of it or nothing."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import CommandError, StoreCommand, actor, now, set_command
from cmpd.cli.configuring import draft
from cmpd.cli.identities import advise


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "apply",
        help=COMMANDS["apply"],
        description="Show what FILE declares otherwise than the store has it, and change that, all of it or "
        "nothing. What FILE does not name stays as it is. `cmpd export` writes such a file.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="show the difference, and change nothing")
    set_command(parser, _apply)


async def _apply(place: StoreCommand, arguments: argparse.Namespace) -> int:
    from cmpd.clm.declare.declaration import Declaration
    from cmpd.clm.entities.identity_advice import advice, policies_of
    from cmpd.clm.model import ObjectKind
    from cmpd.clm.store.changes import AddEntity, UpdateEntity

    try:
        text = arguments.file.read_text("utf-8")
    except OSError as error:
        raise CommandError(f"{arguments.file} cannot be read: {error.strerror}", os.EX_NOINPUT) from None
    except UnicodeDecodeError:
        raise CommandError(f"{arguments.file} is not UTF-8 text", os.EX_DATAERR) from None
    changes = await draft(place)
    declaration = await Declaration.read(changes, arguments.file, text)
    for difference in declaration.differences:
        print(difference)
    added = [one.entity for one in changes.unit if isinstance(one, AddEntity | UpdateEntity)]
    advise(await advice(place.store, added, policies_of(changes.objects[ObjectKind.POLICY].values())))
    count = len(declaration.differences)
    if arguments.dry_run:
        print(f"{count} to change; nothing was changed")
        return os.EX_OK
    await changes.commit()
    for id in declaration.moved:
        await _renew_crls(place, id)
    print(f"{count} changed" if count else "nothing to change")
    return os.EX_OK


async def _renew_crls(place: StoreCommand, id: str) -> None:
    from cmpd import issuers  # noqa: F401 - register themselves
    from cmpd.clm.authorities.authority import load_authority
    from cmpd.clm.issuance.crl_refresh import refresh_crl
    from cmpd.clm.issuance.issuer import issuer_of
    from cmpd.clm.model import ObjectKind

    stored = await place.store.object(ObjectKind.CA, id)
    authority = None if stored is None else load_authority(stored, place.master_key)
    if authority is not None:
        for partition in range(authority.crl_partitions):
            await refresh_crl(place.store, issuer_of(authority), partition, now(), actor=actor())
