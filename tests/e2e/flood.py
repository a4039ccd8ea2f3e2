"""The flood: strangers pile onto a daemon while an honest client enrols.

    python -m tests.e2e.flood --seconds 20

measures an honest client's enrolments alone, then while strangers from other loopback addresses hold
idle connections, send heads byte by byte, take no answers, and send messages with wrong MACs and plain
rubbish as fast as they are answered; and the daemon's memory before, at its highest, and after.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.cmpclient import requests
from tests.cmpclient.client import Client
from tests.cmpclient.message import build
from tests.cmpclient.protection import PBM
from tests.cmpclient.transports import http_transport
from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Daemon

IDLE = 1000
SLOW_WRITERS = 200
SLOW_READERS = 100
GUESSERS = 8
BABBLERS = 8
HEAD = b"POST /cmp HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkixcmp\r\nContent-Length: %d\r\n\r\n"


@dataclass
class Figures:
    """What was measured; times in milliseconds, memory in MiB."""

    alone: list[float] = field(default_factory=list)
    flooded: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    after: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    """What the strangers were answered."""
    failures: list[str] = field(default_factory=list)
    """What went wrong for the honest client."""

    def __str__(self) -> str:
        return "\n".join(
            [
                f"honest enrolments alone:   {_spread(self.alone)}",
                f"honest enrolments flooded: {_spread(self.flooded)}, {len(self.failures)} failed",
                f"memory: {self.memory[0]:.1f} MiB before, {max(self.memory):.1f} at its highest, "
                f"{self.after:.1f} after",
                "strangers: "
                + ", ".join(f"{count} times {what}" for what, count in self.statuses.most_common()),
            ]
        )


def _spread(times: list[float]) -> str:
    ordered = sorted(times)
    late = ordered[-1 - len(ordered) // 100]
    return f"{len(times)}, median {statistics.median(ordered):.1f} ms, p99 {late:.1f} ms"


class Strangers:
    """Those who want no certificates."""

    def __init__(self, port: int, figures: Figures) -> None:
        self._port = port
        self._figures = figures
        self._guess = build(
            ("ir", [requests.certificate_request(ec.generate_private_key(ec.SECP256R1()), "CN=x")]),
            protection=PBM(DEMO_ENTITY, "a guess"),
        )

    async def run(self, seconds: float) -> None:
        """All of them at once, for so long."""
        crowd: list[tuple[int, Callable[[str], Coroutine[Any, Any, None]]]] = [
            (IDLE, self._idle),
            (SLOW_WRITERS, self._write_slowly),
            (SLOW_READERS, self._read_slowly),
            (GUESSERS, self._guess_on),
            (BABBLERS, self._babble),
        ]
        tasks = [
            asyncio.create_task(self._again(kind, f"127.0.{group + 1}.{number % 200 + 1}"))
            for group, (size, kind) in enumerate(crowd)
            for number in range(size)
        ]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _again(self, kind: Callable[[str], Coroutine[Any, Any, None]], address: str) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await kind(address)
            await asyncio.sleep(0.05)

    async def _connect(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0))

    async def _idle(self, address: str) -> None:
        reader, writer = await self._connect(address)
        try:
            await reader.read()
        finally:
            writer.close()

    async def _write_slowly(self, address: str) -> None:
        _, writer = await self._connect(address)
        try:
            for octet in b"POST /cmp HTTP/1.1\r\nHost: slow\r\nContent-Type: application/pkixcmp\r\n" * 9:
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(0.5)
        finally:
            writer.close()

    async def _read_slowly(self, address: str) -> None:
        _, writer = await self._connect(address)
        try:
            writer.write(b"GET /ca/issuing.cer HTTP/1.1\r\nHost: slow\r\n\r\n" * 200)
            await writer.drain()
            await asyncio.sleep(3600)
        finally:
            writer.close()

    async def _guess_on(self, address: str) -> None:
        await self._post(address, self._guess)

    async def _babble(self, address: str) -> None:
        await self._post(address, self._guess[:200])

    async def _post(self, address: str, body: bytes) -> None:
        reader, writer = await self._connect(address)
        try:
            for _ in range(50):
                writer.write(HEAD % len(body) + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                self._figures.statuses[answer.split(b"\r\n", 1)[0].decode()] += 1
                length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
        finally:
            writer.close()


@dataclass
class Honest:
    """One who does."""

    daemon: Daemon
    figures: Figures

    def enrol(self, seconds: float, times: list[float]) -> None:
        """One enrolment after the other, a connection each."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            client = Client(
                http_transport(f"http://{self.daemon.address}/cmp", timeout=30),
                PBM(DEMO_ENTITY, DEMO_PASSWORD),
            )
            started = time.monotonic()
            try:
                client.enrol("ir", key)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted and shown
                self.figures.failures.append(repr(error))
            times.append(1000 * (time.monotonic() - started))
            time.sleep(0.02)


def resident(pid: int) -> float:
    """MiB of a process in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def flood(folder: Path, seconds: float) -> Figures:
    """Measure an honest client alone and in the flood."""
    daemon = Daemon(folder)
    daemon.init()
    daemon.start()
    assert daemon.process is not None
    pid = daemon.process.pid
    figures = Figures()
    honest = Honest(daemon, figures)
    honest.enrol(min(seconds, 5.0), figures.alone)
    figures.memory.append(resident(pid))
    worker = threading.Thread(target=honest.enrol, args=(seconds, figures.flooded))

    async def pour() -> None:
        watch = asyncio.create_task(_watch(pid, figures))
        await Strangers(daemon.port, figures).run(seconds)
        watch.cancel()

    worker.start()
    try:
        asyncio.run(pour())
    finally:
        worker.join()
        time.sleep(2)
        figures.after = resident(pid)
        daemon.stop()
    return figures


async def _watch(pid: int, figures: Figures) -> None:
    while True:
        figures.memory.append(resident(pid))
        await asyncio.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description="Flood a daemon while an honest client enrols.")
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cmpd-flood-") as folder:
        figures = flood(Path(folder), arguments.seconds)
    sys.stdout.write(f"{figures}\n")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
