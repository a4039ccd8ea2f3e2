"""`cmpd init`: a configuration, a master key, a store with a root and an issuing CA, an API client."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.addresses import base_url
from cmpd.cli.common import CommandError, actor, now, refuse_password
from cmpd.cli.files import create_folder, create_private, write_public

if TYPE_CHECKING:
    from cmpd.clm.lifecycle.bootstrap import InitialSetup
    from cmpd.config import Config

DEFAULT = Path("cmpd.conf")
CONFIGURATION = 0o640
"""The mode of cmpd.conf."""


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "init",
        help=COMMANDS["init"],
        description="Make what the configuration names and is not there yet: the configuration itself, the "
        "master key, the store with its CAs, the API client's secret. Never overwrites anything.",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="a demonstration: a policy and an end entity whose UUID and password everybody knows",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        help="where a new configuration has the daemon listen: host:port (default: 127.0.0.1:8504)",
    )
    parser.add_argument(
        "--state",
        metavar="FOLDER",
        type=Path,
        help="where a new configuration has the store (default: the configuration's own folder)",
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="where a new configuration has the store instead: postgresql://user@host/database, no password",
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        help="the base URL under which devices reach this server's CRLs (default: by the first listener)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from cmpd.clm.store.place import shown
    from cmpd.config import Config, ConfigError
    from cmpd.server.process.hardening import conceal

    conceal()
    if arguments.store:
        refuse_password(arguments.store)
    path = Path(arguments.config or os.environ.get("CMPD_CONF") or DEFAULT)
    made_config = not path.exists()
    if made_config:
        _write_config(path, arguments)
    else:
        _refuse_ignored(path, arguments)
    try:
        config = Config.load(path)
        url = arguments.url or base_url(config)
        _refuse_existing(config)
    except (ConfigError, CommandError):
        if made_config:
            path.unlink()  # so that the next try finds things as this one did
        raise
    beginnings = _begin(config, url, demo=arguments.demo)
    create_private(config.client.secret_file, f"{beginnings.client_secret}\n".encode())
    ca_file = path.parent / "ca.pem"
    _write_certificates(ca_file, beginnings)
    if made_config:
        print(f"configuration    {path}")
    print(f"store            {shown(config.store)}")
    print(f"master key       {config.master_key}  (keep a copy elsewhere: without it the store is of no use)")
    print(f"API client       {config.client.id}, its secret in {config.client.secret_file}")
    print(f"default policy   {beginnings.policy}")
    print(f"CA certificates  {ca_file}")
    return 0


def _refuse_ignored(path: Path, arguments: argparse.Namespace) -> None:
    if arguments.listen or arguments.state:
        raise CommandError(
            f"{path} is there already, and --listen and --state are for a new one; edit it instead",
            os.EX_CANTCREAT,
        )


def _write_config(path: Path, arguments: argparse.Namespace) -> None:
    """The commented default configuration.

    Group and mode let the daemon's user read it, and nobody else: a store's URL may hold a password.
    """
    from cmpd.clm.store.place import hand_over

    package = Path(__file__).resolve().parents[1]
    packaged = package / "cmpd.conf"
    text = (packaged if packaged.is_file() else package.parent / "cmpd.conf").read_text(encoding="utf-8")
    if arguments.listen:
        text = text.replace('"127.0.0.1:8504"', json.dumps(arguments.listen))
    if arguments.state:
        text = text.replace('"cmpd.db"', json.dumps(str(arguments.state.absolute() / "cmpd.db")))
    if arguments.store:
        text = text.replace('"cmpd.db"', json.dumps(arguments.store))
    create_folder(path.parent)
    create_private(path, text.encode(), CONFIGURATION)
    with path.open("rb") as file:
        hand_over(file.fileno(), path)


def _refuse_existing(config: Config) -> None:
    named = [config.master_key, config.client.secret_file]
    if "://" not in config.store:
        named.insert(0, Path(config.store))
    for path in named:
        if path.exists():
            raise CommandError(
                f"{path} is there already, and nothing is overwritten; "
                "`cmpd check` says what it holds, a new place in the configuration begins anew",
                os.EX_CANTCREAT,
            )


def _begin(config: Config, url: str, *, demo: bool) -> InitialSetup:
    import asyncio

    from cmpd.clm.lifecycle.bootstrap import bootstrap
    from cmpd.clm.lifecycle.ca import CAContext
    from cmpd.clm.model import Act
    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store import create_store

    maker = CAContext(Act(actor(), now()), MasterKey.create(config.master_key))

    async def begin() -> InitialSetup:
        store = create_store(config.store, synchronous=config.synchronous, node=config.node)
        await store.open()
        try:
            return await bootstrap(
                store,
                maker,
                demo=demo,
                base_url=url,
                client_id=config.client.id,
            )
        finally:
            await store.close()

    return asyncio.run(begin())


def _write_certificates(path: Path, beginnings: InitialSetup) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    certificates = (x509.load_der_x509_certificate(der) for der in beginnings.certificates)
    write_public(path, b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
