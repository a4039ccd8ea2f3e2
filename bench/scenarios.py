"""What else is promised: latency, throughput, start, memory, full stores, idle connections."""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from pathlib import Path
from typing import Any

from bench import filling, processes
from bench.figures import Figure, table
from bench.load import CONFIRMED, IMPLICIT, load
from bench.servers import CMPD, HOST, Cmpd, run

IDLE = 5000
PEERS = 20
"""Addresses of 127.0.0.0/8 that idle connections come from."""


def latency(folder: Path, count: int) -> dict[str, Any]:
    """certConf as a plain OpenSSL client sees it, on a kept connection and on one of its own."""
    found = {}
    with Cmpd(folder / "cmpd") as server:
        load(server, CONFIRMED, 100)
        for name, options in (("kept", ()), ("not kept", ("--no-keep-alive",))):
            found[name] = load(server, CONFIRMED, count, "--threads", "1", *options)["certconf_ms"]
    rows = [(name, *(f"{one[part]:.2f}" for part in ("p50", "p99", "max"))) for name, one in found.items()]
    print(table(("certConf, ms: connection", "median", "p99", "max"), rows))
    return found


def workers(folder: Path, runs: int, count: int) -> dict[str, Any]:
    """Throughput with one and two workers; requests made beforehand leave the cores to the server."""
    options = ("--prepared", "--threads", "32", "--keys", "1")
    found: dict[str, list[float]] = {"1": [], "2": []}
    with (
        Cmpd(folder / "one") as one,
        Cmpd(folder / "two", {"CMPD_WORKERS": "2"}) as two,
    ):
        for server in (one, two):
            load(server, IMPLICIT, count, *options)
        for _ in range(runs):
            for name, server in (("1", one), ("2", two)):
                found[name].append(load(server, IMPLICIT, count * 4, *options)["rate"])
    ratio = statistics.median(found["2"]) / statistics.median(found["1"])
    rows = [(name, str(Figure.of(rates)), f"{max(rates):.0f}") for name, rates in found.items()]
    print(
        table(("workers", "transactions/s: least / median", "most"), rows), f"2 over 1: {ratio:.2f}", sep="\n"
    )
    return found


def tail(folder: Path, count: int) -> dict[str, Any]:
    """The 99th percentile at half of what the server takes at most."""
    with Cmpd(folder / "cmpd") as server:
        load(server, CONFIRMED, count)
        limit = load(server, CONFIRMED, 5 * count, "--threads", "8", "--no-delay")["rate"]
        half = load(
            server, CONFIRMED, 5 * count, "--threads", "8", "--no-delay", "--rate", str(int(limit / 2))
        )
    times = half["latency_ms"]
    print(
        f"at {limit / 2:.0f}/s, half of {limit:.0f}/s: median {times['p50']:.2f} ms, "
        f"p99 {times['p99']:.2f} ms, {times['p99'] / times['p50']:.1f} times the median"
    )
    return {"limit": limit, "half": half}


def start(folder: Path, runs: int) -> dict[str, Any]:
    """Seconds from `cmpd serve` to the first certificate, and of `cmpd --help`."""
    found: dict[str, list[float]] = {"first connection": [], "first certificate": [], "cmpd --help": []}
    server = Cmpd(folder / "cmpd")
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem",
        folder=server.folder)  # fmt: skip
    for _ in range(runs):
        begin = time.perf_counter()
        with server:
            found["first connection"].append(time.perf_counter() - begin)
            run(*server.openssl("key.pem", "cert.pem"), folder=server.folder)
            found["first certificate"].append(time.perf_counter() - begin)
        begin = time.perf_counter()
        run(*CMPD, "--help", folder=folder)
        found["cmpd --help"].append(time.perf_counter() - begin)
    rows = [(name, str(Figure.of(seconds))) for name, seconds in found.items()]
    print(table(("start, s", "least / median ± half the spread"), rows))
    return found


def filled(folder: Path, runs: int, count: int) -> dict[str, Any]:
    """CPU of a transaction and resident memory, with an empty store and with a full one."""
    found: dict[str, Any] = {"empty": {"cpu_ms": []}, "full": {"cpu_ms": []}}
    full, empty = Cmpd(folder / "full"), Cmpd(folder / "empty")
    with full:
        load(full, CONFIRMED, 1)  # a row for others to be made after
    filling.fill(full.folder / "cmpd.db")
    with full, empty:
        servers = {"empty": empty, "full": full}
        for server in servers.values():
            load(server, CONFIRMED, count, "--no-delay")
        for _ in range(runs):
            for name, server in servers.items():
                found[name]["cpu_ms"].append(load(server, CONFIRMED, count, "--no-delay")["cpu_ms"])
        for name, server in servers.items():
            found[name]["rss_kb"] = processes.memory(server.pid)[0]["rss"]
    rows = [
        (name, str(Figure.of(one["cpu_ms"])), f"{one['rss_kb'] / 1024:.1f}") for name, one in found.items()
    ]
    ratio = statistics.median(found["full"]["cpu_ms"]) / statistics.median(found["empty"]["cpu_ms"])
    print(table(("store", "CPU, ms: least / median", "MB"), rows), f"full over empty: {ratio:.2f}", sep="\n")
    return found


def memory(folder: Path) -> dict[str, Any]:
    """Resident memory of one worker as transactions go by, and private memory of each of three."""
    found: dict[str, Any] = {}
    done = 0
    with Cmpd(folder / "one") as server:
        for target in (0, 1000, 10_000, 30_000, 100_000):
            if target > done:
                load(server, CONFIRMED, target - done, "--no-delay", "--seconds", "900")
            done = target
            found[f"after {target}"] = processes.memory(server.pid)
    with Cmpd(folder / "three", {"CMPD_WORKERS": "3"}) as server:
        load(server, CONFIRMED, 3000, "--no-delay", "--threads", "6")
        found["three workers, after 3000"] = processes.memory(server.pid)
    rows = [
        (name, *(", ".join(f"{one[part] / 1024:.1f}" for one in members) for part in ("rss", "private")))
        for name, members in found.items()
    ]
    print(table(("transactions", "resident, MB", "private, MB"), rows))
    return found


def idle(folder: Path, count: int) -> dict[str, Any]:
    """What 5,000 connections that had their request and are kept cost, in memory and in others' latency."""
    with Cmpd(folder / "cmpd") as server, contextlib.ExitStack() as connections:
        options = ("--no-delay", "--threads", "1")
        load(server, CONFIRMED, 2 * count, *options)
        before = processes.memory(server.pid)[0]["rss"]
        alone = load(server, CONFIRMED, count, *options)["latency_ms"]
        for number in range(IDLE):
            _idle(connections, f"127.0.0.{2 + number % PEERS}", server.port)
        each = (processes.memory(server.pid)[0]["rss"] - before) / IDLE
        beside = load(server, CONFIRMED, count, *options)["latency_ms"]
    rows = [
        (name, f"{one['p50']:.2f}", f"{one['p99']:.2f}")
        for name, one in (("none", alone), (str(IDLE), beside))
    ]
    print(table(("idle connections", "median, ms", "p99, ms"), rows), f"{each:.1f} KB each", sep="\n")
    return {"kb_each": each, "alone": alone, "beside": beside}


def _idle(connections: contextlib.ExitStack, peer: str, port: int) -> None:
    """A connection from `peer` that had one answer and is kept."""
    client = connections.enter_context(socket.create_connection((HOST, port), 10, (peer, 0)))
    client.sendall(b"GET /crl/none.crl HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if not client.recv(4096).startswith(b"HTTP/1.1 404"):
        raise SystemExit("the server does not answer a connection that is to be idle")
