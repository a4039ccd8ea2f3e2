"""The sections of cmpd.conf, every key with its default and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cmpd.config.keys import key, live


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
    """Bounds on what an unauthenticated peer may take of the server over HTTP."""

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
        "unix: peers on a Unix socket.",
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
