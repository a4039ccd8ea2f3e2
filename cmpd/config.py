"""cmpd.conf: every key, its type, its default, its bounds, and what it is for.

A section is a dataclass, a key a field made by `key`; reading, checking, the environment's overrides and
the reference in docs/ all go by these. Paths in the file are relative to the file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints


class ConfigError(Exception):
    """The configuration cannot be used; one line that names file, key, what was expected."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a key admits beyond its type."""

    doc: str
    unit: str = ""
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    restart: bool = True
    """Whether a change takes effect only with a new start."""


def key(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] = (),
    restart: bool = True,
) -> Any:
    """A configuration key: a dataclass field with its rule."""
    rule = Rule(doc, unit, low, high, choices, restart)
    if default is MISSING:
        return field(metadata={"rule": rule})
    if isinstance(default, type):
        return field(default_factory=default, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def live(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A key that a reload changes at once."""
    return key(default, doc, unit=unit, low=low, high=high, choices=choices, restart=False)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Who cmpd is to the lifecycle: its API client."""

    id: str = key("cmpd", "Id of the API client that the daemon logs in as.")
    secret_file: Path = key(
        Path("client.secret"),
        "File with the API client's secret, mode 0600. With systemd: the credential client.secret.",
    )


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """One address that devices reach the daemon at."""

    address: str = key("127.0.0.1:8504", "host:port, [IPv6]:port, or unix:PATH.")
    tls_certificate: Path | None = live(
        None, "PEM file: the server's certificate, then its chain. Makes it HTTPS."
    )
    tls_key: Path | None = live(None, "PEM file: the certificate's private key, mode 0600.")
    tls_client_ca: Path | None = live(None, "PEM file: CAs whose client certificates are asked for.")
    tls_client_required: bool = live(False, "Refuse TLS clients that bring no certificate.")
    tls_minimum: str = live("1.2", "The lowest TLS version spoken.", choices=("1.2", "1.3"))


@dataclass(frozen=True, slots=True)
class HTTPConfig:
    """Bounds on what a stranger may take of the server over HTTP."""

    header_size: int = live(16384, "Longest request head.", unit="bytes", low=1024, high=1 << 20)
    body_size: int = live(
        65536, "Longest request body; longer ones get 413.", unit="bytes", low=1024, high=1 << 24
    )
    header_timeout: int = live(10, "Time for a request's head to arrive.", unit="seconds", low=1, high=3600)
    body_timeout: int = live(20, "Time for a request's body to arrive.", unit="seconds", low=1, high=3600)
    idle_timeout: int = live(60, "Time a kept connection may stay silent.", unit="seconds", low=1, high=86400)
    write_timeout: int = live(20, "Time for a response to be taken.", unit="seconds", low=1, high=3600)
    max_connections: int = live(
        10000, "Connections at once, of each worker; more get 503.", low=1, high=1 << 20
    )
    max_connections_per_peer: int = live(
        1000, "Connections at once from one address, of each worker; 0: no bound.", low=0, high=1 << 20
    )
    max_requests: int = live(
        200, "Requests being answered at once, of each worker; more get 503.", low=1, high=1 << 16
    )
    drain_timeout: int = key(
        10, "Time that a stop leaves to what is under way.", unit="seconds", low=0, high=3600
    )
    basic_over_http: bool = live(
        False, "Take HTTP Basic passwords over plain HTTP from other machines. They can be read on the way."
    )
    trusted_proxies: tuple[str, ...] = live(
        (),
        "Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed, such as 10.0.0.0/8; "
        "unix: whoever comes over a Unix socket.",
    )


@dataclass(frozen=True, slots=True)
class CMPConfig:
    """What holds for CMP under every policy."""

    time_tolerance: int = live(
        300, "How far messageTime may be from the clock; 0: any.", unit="seconds", low=0, high=1 << 31
    )
    message_time_required: bool = live(
        False,
        "Refuse messages without messageTime: without it, one that was recorded is new again once its "
        "transaction is forgotten.",
    )
    transaction_memory: int = live(
        86400,
        "How long a finished transaction is remembered for retransmissions.",
        unit="seconds",
        low=60,
        high=1 << 31,
    )
    transactions_max: int = live(
        1_000_000,
        "Most transactions remembered at once, 5 KB each; at that many none begins. 0: any number.",
        low=0,
        high=1 << 40,
    )
    transactions_per_party: int = live(
        100_000,
        "Most of them for one end entity, or one certificate without one; RAs are exempt. 0: any number.",
        low=0,
        high=1 << 40,
    )
    waiting_memory: int = live(
        30 * 86400, "How long a request may wait for approval.", unit="seconds", low=60, high=1 << 31
    )
    check_after: int = live(
        60, "After how long a waiting client is told to ask again.", unit="seconds", low=1, high=86400
    )
    pbm_iterations_min: int = live(
        100, "Fewest iterations of PasswordBasedMac and PBKDF2.", low=1, high=1 << 24
    )
    pbm_iterations_max: int = live(10_000, "Most iterations of PasswordBasedMac.", low=1, high=1 << 24)
    pbkdf2_iterations_max: int = live(500_000, "Most iterations of PBKDF2 in PBMAC1.", low=1, high=1 << 24)
    nested_layers: int = live(
        4, "How many nested messages may lie in one another; RAs add one each.", low=1, high=32
    )
    nested_messages: int = live(
        100, "How many messages a nested message may hold; http.body_size bounds them too.", low=1, high=10000
    )
    unprotected_genm: bool = live(False, "Answer unprotected genm that ask for public data.")


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is written to standard error."""

    format: str = live(
        "journal",
        "journal: <priority>text, as systemd reads it; json: a JSON object a line.",
        choices=("journal", "json"),
    )
    level: str = live(
        "info",
        "The least severe lines written.",
        choices=("debug", "info", "warning", "error"),
    )


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """The listener for operators: /healthz, /readyz, /metrics."""

    listen: str = key("", "host:port or unix:PATH; empty: none.")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of cmpd.conf."""

    path: Path = field(default=Path("cmpd.conf"))
    """Where it was read from."""
    store: str = key("cmpd.db", "The store: a file for SQLite, or a postgresql:// URL.")
    synchronous: str = key(
        "full",
        "full: every commit is on the disk before its response leaves. normal: a power failure may undo the "
        "last moments, a crash of cmpd may not.",
        choices=("full", "normal"),
    )
    master_key: Path = key(
        Path("master.key"),
        "File with the key that seals secrets in the store, mode 0600. With systemd: the credential "
        "master.key.",
    )
    workers: int = key(1, "Processes that share the listeners.", low=1, high=256)
    node: str = key(
        "", "This machine's name among those that share a PostgreSQL store; empty: the host's name."
    )
    archive_after: int = live(
        0,
        "Certificates that ended longer ago leave the working set for the store's archive; 0: never.",
        unit="days",
        low=0,
        high=36500,
    )
    client: ClientConfig = key(ClientConfig, "")
    listen: tuple[ListenConfig, ...] = key((ListenConfig(),), "")
    http: HTTPConfig = key(HTTPConfig, "")
    cmp: CMPConfig = key(CMPConfig, "")
    log: LogConfig = key(LogConfig, "")
    admin: AdminConfig = key(AdminConfig, "")

    @classmethod
    def load(cls, path: Path, environment: Mapping[str, str] | None = None) -> Config:
        """Read `path`, then the CMPD_* variables of the environment. Raises ConfigError."""
        try:
            text = path.read_text(encoding="utf-8")
            document = tomllib.loads(text)
        except FileNotFoundError:
            raise ConfigError(f"{path}: there is no such file; `cmpd -c {path} init` makes one") from None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: is not UTF-8 text") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: is not TOML: {error}") from None
        reader = _Reader(path, text)
        overrides = _overrides(os.environ if environment is None else environment)
        config: Config = reader.section(cls, _merge(document, overrides, reader), "")
        store = config.store if "://" in config.store else str(path.parent / config.store)
        config = replace(config, path=path, store=store)
        _check_listeners(reader, config)
        return config


ENVIRONMENT = "CMPD_"
NOT_KEYS = frozenset({"CMPD_CONF"})
"""Variables of the environment that begin alike and mean something else."""
OF_ENGINES = re.compile(r"CMPD_(PORT|SERVICE)(_|$)")
"""What container engines set in every container for a service named cmpd."""


def _overrides(environment: Mapping[str, str]) -> dict[str, str]:
    """CMPD_HTTP_BODY_SIZE → http.body_size, as text."""
    found: dict[str, str] = {}
    names = {name.replace(".", "_").upper(): name for name in key_names(Config)}
    for variable, value in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT) or variable in NOT_KEYS or OF_ENGINES.match(variable):
            continue
        name = names.get(variable.removeprefix(ENVIRONMENT))
        if name is None:
            close = difflib.get_close_matches(variable, [ENVIRONMENT + known for known in names], 1)
            hint = f"; {close[0]} is meant?" if close else ""
            raise ConfigError(f"environment: {variable} names no key of the configuration{hint}")
        found[name] = value
    return found


def key_names(section: Any, prefix: str = "") -> list[str]:
    """The dotted names of a section's keys."""
    names: list[str] = []
    hints = get_type_hints(section)
    for item in fields(section):
        if "rule" not in item.metadata:
            continue
        kind = ListenConfig if hints[item.name] == tuple[ListenConfig, ...] else hints[item.name]
        if is_dataclass(kind):
            names.extend(key_names(kind, f"{prefix}{item.name}."))
        else:
            names.append(prefix + item.name)
    return names


def _merge(document: dict[str, Any], overrides: dict[str, str], reader: _Reader) -> dict[str, Any]:
    for name, text in overrides.items():
        *tables, last = name.split(".")
        place = document
        for table in tables:
            place = _sole(name, place, reader) if table == "listen" else place.setdefault(table, {})
        place[last] = reader.from_text(name, text)
    return document


def _sole(name: str, document: dict[str, Any], reader: _Reader) -> dict[str, Any]:
    """The one [[listen]] that the environment can mean."""
    listeners = document.setdefault("listen", [{}])
    if isinstance(listeners, list) and len(listeners) == 1 and isinstance(listeners[0], dict):
        return listeners[0]
    raise reader.error(name, "from the environment it is for one [[listen]], and the file has others")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns a parsed document into sections, and knows the line of each key for its errors."""

    path: Path
    text: str

    def error(self, name: str, what: str) -> ConfigError:
        return ConfigError(f"{self._place(name)}: {what}")

    def _place(self, name: str) -> str:
        last = name.rsplit(".", 1)[-1]
        for number, line in enumerate(self.text.splitlines(), 1):
            if re.match(rf"\s*\[*\s*{re.escape(last)}\s*(=|\])", line):
                return f"{self.path}:{number}: {name}"
        return f"{self.path}: {name}"

    def from_text(self, name: str, text: str) -> Any:
        """An override's text as TOML would have it: a number, true or false, a list, or plain text."""
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
        return value if isinstance(value, int | bool | list) else text

    def section(self, kind: Any, document: Any, prefix: str) -> Any:
        if not isinstance(document, dict):
            raise self.error(prefix.rstrip("."), "a table is expected")
        known = {item.name: item for item in fields(kind) if "rule" in item.metadata}
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        for name, value in document.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"; {close[0]} is meant?" if close else f"; known here: {', '.join(known)}"
                raise self.error(prefix + name, f"no such key{hint}")
            values[name] = self._value(prefix + name, hints[name], known[name], value)
        for name, hint in hints.items():
            if name in known and name not in values and is_dataclass(hint):
                values[name] = self.section(hint, {}, f"{prefix}{name}.")
        built = kind(**values)
        return replace(built, **self._defaulted_paths(built, hints, values))

    def _defaulted_paths(self, built: Any, hints: dict[str, Any], given: dict[str, Any]) -> dict[str, Path]:
        return {
            name: self.path.parent / getattr(built, name)
            for name, hint in hints.items()
            if hint is Path and name not in given and name != "path"
        }

    def _value(self, name: str, hint: Any, item: Field[Any], value: Any) -> Any:
        rule: Rule = item.metadata["rule"]
        if is_dataclass(hint):
            return self.section(hint, value, f"{name}.")
        if hint == tuple[ListenConfig, ...]:
            if not isinstance(value, list):
                raise self.error(name, f"[[{name}]] tables are expected")
            return tuple(self.section(ListenConfig, one, f"{name}.") for one in value)
        if hint is bool:
            if not isinstance(value, bool):
                raise self.error(name, f"true or false is expected, not {value!r}")
            return value
        if hint is int:
            return self._number(name, rule, value)
        if hint == tuple[str, ...]:
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise self.error(name, f"a list of texts is expected, not {value!r}")
            return tuple(value)
        if not isinstance(value, str):
            raise self.error(name, f"text is expected, not {value!r}")
        if hint is Path or hint == Path | None:
            if not value:
                raise self.error(name, "a path is expected, not empty text")
            return self.path.parent / value
        if rule.choices and value not in rule.choices:
            raise self.error(name, f"one of {', '.join(rule.choices)} is expected, not {value!r}")
        return value

    def _number(self, name: str, rule: Rule, value: Any) -> int:
        unit = f" {rule.unit}" if rule.unit else ""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(name, f"a whole number{' of' + unit if unit else ''} is expected, not {value!r}")
        low, high = rule.low, rule.high
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.error(name, f"{low} to {high}{unit} are expected, not {value}")
        return value


def _check_listeners(reader: _Reader, config: Config) -> None:
    if not config.listen:
        raise reader.error("listen", "one [[listen]] table at least is expected")
    for listener in config.listen:
        split_address(listener.address, reader)
        if (listener.tls_certificate is None) != (listener.tls_key is None):
            raise reader.error("listen", "tls_certificate and tls_key go together")
        if listener.tls_client_ca is not None and listener.tls_certificate is None:
            raise reader.error("listen", "tls_client_ca needs tls_certificate and tls_key")
    if config.admin.listen:
        split_address(config.admin.listen, reader)
    taken: set[str] = set()
    for address in (*(one.address for one in config.listen), config.admin.listen):
        if address in taken and not address.endswith(":0"):
            raise reader.error("address", f"{address} is there twice; each listener takes one of its own")
        taken.add(address)
    if config.cmp.pbm_iterations_min > config.cmp.pbm_iterations_max:
        raise reader.error("cmp.pbm_iterations_min", "it is larger than cmp.pbm_iterations_max")


def split_address(address: str, reader: _Reader | None = None) -> tuple[str, int]:
    """(host, port); for unix:PATH (path, 0). Raises ConfigError."""
    if address.startswith("unix:") and len(address) > len("unix:"):
        return address.removeprefix("unix:"), 0
    host, separator, port = address.rpartition(":")
    if separator and port.isdecimal() and int(port) < 1 << 16:
        return host.strip("[]"), int(port)
    what = f"host:port, [IPv6]:port or unix:PATH is expected, not {address!r}"
    raise reader.error("address", what) if reader else ConfigError(what)
