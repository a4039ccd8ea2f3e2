"""What PostgreSQL's errors mean for the store, by SQLSTATE, and for connecting by libpq's text."""

from __future__ import annotations

import re

import psycopg

from cmpd.clm.store.base import StoreCorrupt, StoreError, StoreUnavailable

# Classes and codes (PostgreSQL's appendix A) after which the same unit may be tried again: it was rolled
# back for what others did at the same time, or met a server that turned into a standby.
_PASSING = ("40", "55P03", "25006", "57014", "23505")
# The server goes, or has gone, away.
_AWAY = ("08", "57P01", "57P02", "57P03", "57P05", "25P03")

_BY_STATE: tuple[tuple[str, type[StoreError], str], ...] = (
    ("40", StoreUnavailable, "{shown}: others kept changing the same records; try again"),
    ("55P03", StoreUnavailable, "{shown}: a record stayed locked by others; try again"),
    ("57014", StoreUnavailable, "{shown}: the database took too long; try again"),
    ("25006", StoreUnavailable, "{shown} is read-only: a standby, or made so; write to the primary"),
    ("53100", StoreUnavailable, "{shown}: no space left on the database server: free some"),
    ("53300", StoreUnavailable, "{shown}: too many connections: raise max_connections, or run fewer workers"),
    ("53", StoreUnavailable, "{shown}: the database server is out of resources: {text}"),
    ("57", StoreUnavailable, "{shown}: the database server is shutting down or starting"),
    ("08", StoreUnavailable, "{shown}: the connection was lost"),
    ("XX001", StoreCorrupt, "{shown} is damaged: {text}; restore a backup"),
    ("XX002", StoreCorrupt, "{shown} has a damaged index: {text}; REINDEX it"),
    (
        "42501",
        StoreError,
        "{shown}: {text}; make the user the owner of the database, or grant it what is missing",
    ),
    (
        "42P01",
        StoreError,
        "{shown} does not contain a store of cmpd, or only part of one: {text}; see `cmpd init`",
    ),
)

_BY_TEXT: tuple[tuple[str, type[StoreError], str], ...] = (
    (r"database .* does not exist", StoreError, "make it with `createdb`"),
    (r"authentication failed|no password supplied|role .* does not exist", StoreError,
     "check the user and the password in the URL, or in ~/.pgpass"),
    (r"no pg_hba.conf entry .*no encryption|SSL off|requires SSL", StoreError,
     "the server demands TLS for this user: add ?sslmode=require to the URL, or let it in by pg_hba.conf"),
    (r"no pg_hba.conf entry", StoreError, "let this host and user in by the server's pg_hba.conf"),
    (r"server does not support SSL", StoreError,
     "the URL demands TLS, which the server does not speak: enable it there, or change sslmode"),
    (r"certificate", StoreError, "the server's TLS certificate does not satisfy the URL's sslmode"),
    (r"permission denied for database", StoreError, "GRANT CONNECT ON the DATABASE to this user"),
    (r"read-only|not read-write", StoreUnavailable, "no server that the URL names may be written to"),
    (r"starting up|shutting down|recovery", StoreUnavailable, "wait until it is up"),
    (r"too many (clients|connections)|remaining connection slots", StoreUnavailable,
     "raise max_connections, or run fewer workers"),
    (r"", StoreUnavailable, "is it running, and does the URL name it rightly?"),
)  # fmt: skip


_ATTEMPT = re.compile(r"connection to server (?:at|on socket) (.*?) failed: (?:FATAL: +)?(.*)")


def _has(error: BaseException, states: tuple[str, ...]) -> bool:
    state = getattr(error, "sqlstate", None)
    return state is not None and state.startswith(states)


def is_lost(error: BaseException) -> bool:
    """Whether the connection went: what was under way may have happened or not."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate is None or _has(error, _AWAY))


def is_passing(error: BaseException) -> bool:
    """Whether the unit was rolled back for a reason that may be gone at the next try."""
    return isinstance(error, psycopg.Error) and _has(error, _PASSING)


def is_engine_failure(error: BaseException) -> bool:
    """Whether the database failed, rather than one unit."""
    engine = ("53", "57", "58", "08", "XX", "42501", "42P01", *_PASSING)
    return is_lost(error) or (isinstance(error, psycopg.Error) and _has(error, engine))


def _line(error: BaseException) -> str:
    """The error's text on one line."""
    return " ".join(str(error).split())


def translated(error: psycopg.Error, shown: str) -> StoreError:
    """The store's own error for one of a connection that stood."""
    if is_lost(error):
        return StoreUnavailable(f"{shown}: the connection was lost")
    if error.sqlstate is None:
        return StoreError(f"{shown} cannot hold this: {_line(error)}")
    text = _line(error.diag.message_primary or error)  # type: ignore[arg-type]  # either is printed
    for state, kind, form in _BY_STATE:
        if error.sqlstate.startswith(state):
            return kind(form.format(shown=shown, text=text))
    return StoreError(f"{shown} refuses: {text} ({error.sqlstate})")


def not_connected(error: psycopg.Error, shown: str) -> StoreError:
    """The store's own error for a connection that did not come about."""
    told = str(error).rpartition("All failures were:")[2]
    # Several servers may have been tried, each with TLS and without: of each its last word counts.
    reasons = {server: _line(Exception(reason)) for server, reason in _ATTEMPT.findall(told)}
    if len(reasons) > 1:
        text = ", ".join(f"{server}: {reason}" for server, reason in reasons.items())
    else:
        first_line = str(error).partition("\n")[0].removeprefix("connection failed: ")
        text = next(iter(reasons.values()), first_line or "no connection")
    for pattern, kind, remedy in _BY_TEXT:
        if re.search(pattern, str(error)):
            return kind(f"cannot connect to {shown}: {text}; {remedy}")
    raise AssertionError("the last pattern fits everything")
