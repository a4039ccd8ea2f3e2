"""The keys of cmpd.conf that promise protection, what each needs to give it, and who looks whether it can.

`cmpd check` and `cmpd serve` both go by this table, and so does a reload: whoever asks for protection that
cannot be given is refused, instead of being served without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmpd.clm.secrets import MasterKey, read_secret
from cmpd.clm.store import open_store
from cmpd.config import ConfigError
from cmpd.server.http.proxies import Proxies
from cmpd.server.http.tls import tls_of

if TYPE_CHECKING:
    from cmpd.config import Config, ListenConfig

Judge = Callable[["Config"], object]
"""Raises ConfigError, SecretError or StoreError, of one line, where the promise cannot be kept."""


@dataclass(frozen=True, slots=True)
class Precondition:
    """A key that protects, if it has what it needs."""

    key: str
    """Its dotted name."""
    protection: str
    """What it gives, in words."""
    needs: str
    judge: Judge
    live: bool = True
    """Whether a reload is judged by it, too."""


def _store(config: Config) -> None:
    open_store(config.store, synchronous=config.synchronous, node=config.node)


def _master_key(config: Config) -> None:
    MasterKey.load(config.master_key)


def _secret(config: Config) -> None:
    read_secret(config.client.secret_file)


def _of_listeners(judge: Callable[[ListenConfig], object]) -> Judge:
    def judge_all(config: Config) -> None:
        for listener in config.listen:
            judge(listener)

    return judge_all


def _fault(listener: ListenConfig, key: str, text: str) -> ConfigError:
    return ConfigError(f"listen.{key} of {listener.address}: {text}")


def _certificate(listener: ListenConfig) -> None:
    if listener.tls_certificate is not None and listener.tls_key is None:
        raise _fault(listener, "tls_certificate", "it needs tls_key, the file with its private key")
    tls_of(listener)


def _key(listener: ListenConfig) -> None:
    if listener.tls_key is not None and listener.tls_certificate is None:
        raise _fault(listener, "tls_key", "it needs tls_certificate; without it this is plain HTTP")
    tls_of(listener)


def _client_ca(listener: ListenConfig) -> None:
    if listener.tls_client_ca is not None and listener.tls_certificate is None:
        raise _fault(
            listener, "tls_client_ca", "it needs tls_certificate and tls_key; over plain HTTP nobody is asked"
        )
    tls_of(listener)


def _client_required(listener: ListenConfig) -> None:
    if listener.tls_client_required and listener.tls_client_ca is None:
        raise _fault(
            listener,
            "tls_client_required",
            "it needs tls_client_ca, the CAs whose clients are let in; without it everybody is",
        )


def _minimum(listener: ListenConfig) -> None:
    if listener.tls_minimum != "1.2" and listener.tls_certificate is None:
        raise _fault(
            listener, "tls_minimum", "it needs tls_certificate and tls_key; without them this is plain HTTP"
        )


def _proxies(config: Config) -> None:
    Proxies(config.http.trusted_proxies)


def _message_time(config: Config) -> None:
    if not config.cmp.message_time_required:
        return
    tolerance, memory = config.cmp.time_tolerance, config.cmp.transaction_memory
    if tolerance == 0:
        raise ConfigError(
            "cmp.message_time_required: it needs cmp.time_tolerance above 0; at 0 any time will do, "
            "and a recorded message is good for ever"
        )
    if 2 * tolerance > memory:
        raise ConfigError(
            "cmp.message_time_required: it needs cmp.transaction_memory of at least twice "
            f"cmp.time_tolerance, {2 * tolerance} seconds, not {memory}; "
            "else a recorded message is taken again once its transaction is forgotten"
        )


PRECONDITIONS: tuple[Precondition, ...] = (
    Precondition(
        "store",
        "with `sslmode=require` in its URL: nobody reads along; with `verify-full` and `sslrootcert`: "
        "nobody answers in the database's place either",
        "every host of the URL by TCP, as libpq ignores TLS on a Unix socket; with `sslrootcert` an "
        "`sslmode` that looks at it",
        _store,
        live=False,
    ),
    Precondition(
        "master_key",
        "only cmpd's user opens what is sealed in the store",
        "a file of that user or of root, mode 0600 or 0400, or a credential closed to other users",
        _master_key,
        live=False,
    ),
    Precondition(
        "client.secret_file",
        "only cmpd's user logs in as this API client",
        "a file of that user or of root, mode 0600 or 0400, or a credential closed to other users",
        _secret,
        live=False,
    ),
    Precondition(
        "listen.tls_certificate",
        "HTTPS: nobody reads along or answers in the server's place",
        "`listen.tls_key`, and both files to be usable and to fit each other",
        _of_listeners(_certificate),
    ),
    Precondition(
        "listen.tls_key",
        "HTTPS with a key that only cmpd's user can read",
        "`listen.tls_certificate`, and mode 0600 or 0400",
        _of_listeners(_key),
    ),
    Precondition(
        "listen.tls_client_ca",
        "of clients that show a certificate, only those of these CAs are served",
        "TLS, and a file with certificates in PEM",
        _of_listeners(_client_ca),
    ),
    Precondition(
        "listen.tls_client_required",
        "clients without a certificate are not served",
        "`listen.tls_client_ca`",
        _of_listeners(_client_required),
    ),
    Precondition(
        "listen.tls_minimum",
        "at 1.3: no older TLS is spoken",
        "TLS",
        _of_listeners(_minimum),
    ),
    Precondition(
        "http.trusted_proxies",
        "X-Forwarded-For and X-Forwarded-Proto are believed of these alone",
        "addresses or networks, not names",
        _proxies,
    ),
    Precondition(
        "cmp.message_time_required",
        "a recorded message is never new again",
        "`cmp.time_tolerance` above 0, and `cmp.transaction_memory` of at least twice as much",
        _message_time,
    ),
)

NO_CONDITION = frozenset(
    {
        # They promise no protection.
        *("workers", "node", "archive_after", "client.id", "listen.address", "admin.listen"),
        *("http.drain_timeout", "cmp.waiting_memory", "cmp.check_after", "log.format", "log.level"),
        # Bounds on what a peer may take, and on what is taken of it: each holds as it stands.
        *("http.header_size", "http.body_size", "http.header_timeout", "http.body_timeout"),
        *("http.idle_timeout", "http.write_timeout", "http.max_connections", "http.max_requests"),
        *("http.max_connections_per_peer", "cmp.transactions_max", "cmp.transactions_per_party"),
        *("cmp.time_tolerance", "cmp.transaction_memory", "cmp.nested_layers", "cmp.nested_messages"),
        *("cmp.pbm_iterations_min", "cmp.pbm_iterations_max", "cmp.pbkdf2_iterations_max"),
        # Their defaults protect, as they stand; `cmpd check` warns of what weakens them.
        *("synchronous", "http.basic_over_http", "cmp.unprotected_genm"),
    }
)
"""The other keys of cmpd.conf: what they say holds whatever else is configured."""


def require(config: Config, preconditions: Iterable[Precondition] = PRECONDITIONS) -> None:
    """Raises ConfigError, SecretError or StoreError for the first promise that could not be kept."""
    for one in preconditions:
        one.judge(config)


def require_live(config: Config) -> None:
    """`require` of what a reload changes."""
    require(config, (one for one in PRECONDITIONS if one.live))
