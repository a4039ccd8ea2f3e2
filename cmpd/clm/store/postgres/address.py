"""The store's URL: checked before libpq sees it, completed, and shown without its password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cmpd.clm.store.base import StoreError
from cmpd.clm.store.place import shown

SCHEMES = ("postgresql://", "postgres://")

# Names or addresses, each with or without a port, by commas; none: the local socket.
_HOSTS = re.compile(r"((\[[0-9A-Fa-f:.]+\]|[^@:/\[\],]*)(:\d{1,5})?(,|$))*")

_TLS_MODES = ("require", "verify-ca", "verify-full")
"""Values of sslmode that go without TLS nowhere."""

# What a dead peer costs is bounded: so many seconds to connect, and to notice that nobody answers.
_DEFAULTS: dict[str, str | int] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "cmpd",
    # Of several hosts, the one that may be written: after a fail-over, the new primary.
    "target_session_attrs": "read-write",
}


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is."""

    conninfo: str
    """For libpq, with the password: never to be shown."""
    shown: str
    """For people and logs."""

    def __repr__(self) -> str:
        return f"Address({self.shown})"


def parse(url: str) -> DatabaseAddress:
    """Raises StoreError, whose text repeats nothing of the URL: where it is malformed, any part of it may
    be a part of the password."""
    malformed = StoreError(
        "the store's URL is not of the form postgresql://user@host:port/database; in a password, write "
        "@ : / ? # % as %40 %3A %2F %3F %23 %25, or keep it in ~/.pgpass"
    )
    try:
        parts = urlsplit(url)
        parse_qs(parts.query, strict_parsing=bool(parts.query))
        userinfo, _, hosts = parts.netloc.rpartition("@")
        settings = conninfo_to_dict(url)
    except Exception:  # noqa: BLE001 - libpq's message would quote from the URL
        raise malformed from None
    strays = "@" in userinfo or "@" in parts.path or parts.fragment
    if strays or not _HOSTS.fullmatch(hosts) or not url.startswith(SCHEMES):
        raise malformed
    _require_tls_kept(settings)
    conninfo = make_conninfo("", **{**_DEFAULTS, **{k: v for k, v in settings.items() if v is not None}})
    return DatabaseAddress(conninfo, shown(url))


def _require_tls_kept(settings: Mapping[str, Any]) -> None:
    """Raises StoreError where the URL asks for TLS that libpq would pass over in silence: it speaks none
    over a Unix socket, and looks at sslrootcert under some values of sslmode only (PostgreSQL, 34.19)."""
    if settings.get("service") or "PGSERVICE" in os.environ:
        return  # what the URL leaves out stands in a file that libpq reads
    mode = settings.get("sslmode") or os.environ.get("PGSSLMODE") or "prefer"
    root = settings.get("sslrootcert")
    if root and root != "system" and mode not in _TLS_MODES:
        raise StoreError(
            f"the store's URL names sslrootcert, which sslmode={mode} does not look at: "
            "add sslmode=verify-full, or leave sslrootcert out"
        )
    hosts = str(settings.get("host") or settings.get("hostaddr") or os.environ.get("PGHOST") or "").split(",")
    if (settings.get("sslmode") in _TLS_MODES or root) and any(host[:1] in ("", "/", "@") for host in hosts):
        raise StoreError(
            "the store's URL asks for TLS at a Unix socket, which has none: name the host, "
            "or leave sslmode and sslrootcert out"
        )
