"""What the commands share: where the configuration is, how the store opens, how output looks.

Nothing slow is imported at the top: asyncio, cryptography and the CLM come in with the command that
needs them.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import pwd
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmpd.printable import printable
from cmpd.times import utc_text

if TYPE_CHECKING:
    from cmpd.clm.client import Client
    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store.base import Store
    from cmpd.config import Config

LOGIN_UID = Path("/proc/self/loginuid")
NO_LOGIN = (1 << 32) - 1
SYSTEM_ACCOUNTS = 999
"""The highest uid of an account nobody logs in to (SYS_UID_MAX of login.defs(5))."""
PLACES = (Path("cmpd.conf"), Path("/etc/cmpd/cmpd.conf"))


class CommandError(Exception):
    """A command cannot be carried out; the text is one line: what was wrong, what to do."""

    def __init__(self, text: str, status: int = os.EX_DATAERR) -> None:
        super().__init__(text)
        self.status = status
        """Exit status, of sysexits.h."""


STATUSES = {
    "cmpd.config.keys.ConfigError": os.EX_CONFIG,
    "cmpd.clm.secrets.SecretError": os.EX_CONFIG,
    "cmpd.clm.client.LoginRefused": os.EX_CONFIG,
    "cmpd.clm.authorities.key_ref.KeyUnavailable": os.EX_TEMPFAIL,
    "cmpd.clm.authorities.lifetimes.NotBegun": os.EX_TEMPFAIL,
    "cmpd.clm.authorities.lifetimes.Expired": os.EX_CONFIG,
    "cmpd.clm.settings.DocumentError": os.EX_DATAERR,
    "cmpd.clm.configuration.objects.ConfigurationConflict": os.EX_DATAERR,
    "cmpd.clm.configuration.objects.InUse": os.EX_DATAERR,
    "cmpd.clm.declare.declaration.DeclarationError": os.EX_DATAERR,
    "cmpd.clm.declare.bulk.BulkError": os.EX_DATAERR,
    "cmpd.clm.issuance.issuer.IssuerUnavailable": os.EX_TEMPFAIL,
    "cmpd.clm.lifecycle.approval.CannotDecide": os.EX_DATAERR,
    "cmpd.clm.store.base.Conflict": os.EX_DATAERR,
    "cmpd.clm.store.base.StoreUnavailable": os.EX_TEMPFAIL,
    "cmpd.clm.store.base.StoreError": os.EX_CONFIG,
    "cmpd.server.process.listeners.ListenError": os.EX_UNAVAILABLE,
    "builtins.PermissionError": os.EX_NOPERM,
    "builtins.OSError": os.EX_IOERR,
}
"""Exceptions whose text is fit for the user, by name, so that none has to be imported to be known."""


def status_of(error: Exception) -> int | None:
    """The exit status for an error whose text is fit for the user; None for any other."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((STATUSES[name] for name in names if name in STATUSES), None)


def config_path(arguments: argparse.Namespace) -> Path:
    """The configuration file: -c, $CMPD_CONF, ./cmpd.conf, /etc/cmpd/cmpd.conf, the first that is named
    or there. Raises CommandError where none is."""
    named = arguments.config or os.environ.get("CMPD_CONF")
    if named:
        return Path(named)
    found = next((place for place in PLACES if _is_there(place)), None)
    if found is None:
        raise CommandError(
            f"no configuration: neither {PLACES[0]} nor {PLACES[1]} is there; "
            "name one with -c FILE, or make one with `cmpd -c FILE init`",
            os.EX_CONFIG,
        )
    return found


def _is_there(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # a folder that may not be searched
        return False


def load_config(arguments: argparse.Namespace) -> Config:
    """Read the configuration; raises ConfigError or CommandError."""
    from cmpd.config import Config

    return Config.load(config_path(arguments))


@dataclass(frozen=True, slots=True)
class StoreCommand:
    """What a command that works on the store has at hand."""

    config: Config
    store: Store
    master_key: MasterKey


@asynccontextmanager
async def workplace(arguments: argparse.Namespace) -> AsyncIterator[StoreCommand]:
    """The store, open, and the master key, by the configuration."""
    from cmpd.clm.secrets import MasterKey
    from cmpd.clm.store import open_store
    from cmpd.server.process.hardening import conceal

    config = load_config(arguments)
    conceal()
    master_key = MasterKey.load(config.master_key)
    store = open_store(str(config.store), synchronous=config.synchronous, node=config.node)
    await store.open()
    try:
        yield StoreCommand(config, store, master_key)
    finally:
        await store.close()


async def login(place: StoreCommand) -> Client:
    """The lifecycle, as the API client of the configuration. Raises LoginRefused, SecretError."""
    from cmpd.clm.client import Client
    from cmpd.clm.secrets import read_secret

    return await Client.login(
        place.store,
        place.master_key,
        place.config.client.id,
        read_secret(place.config.client.secret_file),
        clock=time.time,
        random=os.urandom,
    )


Command = Callable[[StoreCommand, argparse.Namespace], Coroutine[Any, Any, int]]
"""Carries a command out; gives the exit status."""


def set_command(
    parser: argparse.ArgumentParser, command: Command, *, json: bool = False, **defaults: Any
) -> None:
    """Have the parser's command carried out on the store. `json`: it has the option --json. `defaults` are
    further values of its arguments."""
    if json:
        add_json(parser)
    parser.set_defaults(run=in_workplace(command), **defaults)


def in_workplace(command: Command) -> Callable[[argparse.Namespace], int]:
    """Make `run` of a coroutine that takes the workplace and the parsed arguments."""

    def run(arguments: argparse.Namespace) -> int:
        import asyncio

        async def at_work() -> int:
            async with workplace(arguments) as place:
                return await command(place, arguments)

        return asyncio.run(at_work())

    run.__doc__ = command.__doc__
    return run


def actor() -> str:
    """Who acts, for the audit and for approvals that take two: ``operator:<login>``.

    What the kernel knows goes before the environment, which everybody sets as they like: the uid of the
    login that led here, through whatever sudo or su (pam_loginuid(8)). Where it keeps none, SUDO_USER is
    believed of root and of system accounts, which people reach by sudo; everybody else is who they are.
    """
    uid, real = _login_uid(), os.getuid()
    if uid is None and real <= SYSTEM_ACCOUNTS and (sudoer := os.environ.get("SUDO_USER")):
        return f"operator:{sudoer}"
    return f"operator:{_user_name(real if uid is None else uid)}"


def _login_uid() -> int | None:
    try:
        uid = int(LOGIN_UID.read_text("ascii"))
    except (OSError, ValueError):  # a kernel without auditing
        return None
    return None if uid == NO_LOGIN else uid


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # no such user in the password database, as in bare containers
        return str(uid)


def now() -> int:
    """Seconds since the epoch."""
    return int(time.time())


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give the parser --json."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def print_json(value: Any) -> None:
    """Print for programs: lists are JSON arrays, serial numbers hexadecimal text."""
    print(json_text(value, indent=2))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON in readable letters; in ASCII where a terminal would obey one of them."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return json.dumps(value, indent=indent)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print for people: columns as wide as their widest cell; the last one runs free."""
    lines = [tuple(headings), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())


def time_text(seconds: int | None) -> str:
    """UTC in ISO 8601, or a dash."""
    if seconds is None:
        return "-"
    return utc_text(seconds)


def add_password(parser: argparse.ArgumentParser) -> None:
    """Give the parser the ways a password may come in; never as an argument, which every user of the
    machine could read in the process list."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--password-file",
        metavar="FILE",
        help="read the password from the first line of FILE; - is standard input",
    )
    group.add_argument("--ask-password", action="store_true", help="ask for the password, twice")
    group.add_argument(
        "--password-env",
        metavar="VARIABLE",
        help="take the password from this environment variable: weaker, since root and the same user can "
        "read a process's environment",
    )


def refuse_password(where: str) -> None:
    """Raise CommandError where a store's URL from the command line has a password in it."""
    from urllib.parse import parse_qs, urlsplit

    if "://" not in where:
        return
    try:
        parts = urlsplit(where)
    except ValueError:  # which the store says, without repeating it
        return
    asked = {key for key in parse_qs(parts.query, keep_blank_values=True) if "password" in key}
    if asked or ":" in parts.netloc.rpartition("@")[0]:
        raise CommandError(
            "every user of the machine can read a password on the command line: leave it out of the URL, and "
            "keep it in ~/.pgpass, in $PGPASSWORD, or in a file that the URL names (?passfile=FILE)",
            os.EX_USAGE,
        )


def read_password(arguments: argparse.Namespace) -> str | None:
    """The password that came in by one of `add_password`'s ways; None where none was chosen."""
    if arguments.password_file:
        password = _first_line(arguments.password_file)
    elif arguments.password_env:
        password = os.environ.get(arguments.password_env, "")
    elif arguments.ask_password:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise CommandError("the two passwords differ; nothing was changed")
    else:
        return None
    if not password:
        raise CommandError("the password is empty; nothing was changed")
    return password


def _first_line(file: str) -> str:
    if file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        with Path(file).open(encoding="utf-8") as stream:
            return stream.readline().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: the password must be UTF-8 text") from error
