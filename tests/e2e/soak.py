"""The kill test: real clients enrol while the daemon is killed with SIGKILL at random moments.

    python -m tests.e2e.soak --kills 300

starts a daemon with a demo PKI, keeps clients at work, kills and restarts it that many times, and then
holds what the clients were told against the store. Two kinds of client take part: `openssl cmp`, which
gives up on a lost connection, and a stubborn one that sends the very same bytes again until it is
answered, and again after that, and demands the very same response.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.clm.audit import first_break
from cmpd.clm.model import CertificateState
from cmpd.clm.store import open_store
from cmpd.clm.store.base import CertificateQuery
from tests.cmpclient.client import Client, ClientError
from tests.cmpclient.protection import PBM
from tests.cmpclient.response import Response
from tests.cmpclient.transports import Transport, http_transport
from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Daemon, Device
from tests.support.postgres import PostgresServer

PATIENCE = 60.0
"""Seconds a stubborn client keeps at one message."""
PROGRESS = 3
"""Enrolments between every other two kills, at least."""
CRL_LAG = 3.0
"""Seconds after which each process serves the CRL that another one made."""
AGAIN = 0.3
"""How often a stubborn client asks again after an answer, to see the same one."""


@dataclass
class Findings:
    """What happened, and what should not have."""

    kills: int = 0
    enrolled: int = 0
    updated: int = 0
    revoked: int = 0
    repeated: int = 0
    """Requests sent again after their answer."""
    interrupted: int = 0
    """Client runs that a kill ended."""
    postponed: int = 0
    """Requests told systemUnavail: nothing was done, they may come again."""
    wrong: list[str] = field(default_factory=list)
    held: dict[int, CertificateState] = field(default_factory=dict)
    """Serial number → the standing its holder was told."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, certificate: x509.Certificate, state: CertificateState) -> None:
        with self.lock:
            self.held[certificate.serial_number] = state

    def __str__(self) -> str:
        return (
            f"kills {self.kills}, enrolments {self.enrolled}, updates {self.updated}, "
            f"revocations {self.revoked}, requests repeated after their answer {self.repeated}, "
            f"client runs interrupted {self.interrupted}, requests postponed {self.postponed}, "
            f"certificates held {len(self.held)}, "
            f"losses {len(self.wrong)}"
        )


def _asks_to_try_later(answer: bytes) -> bool:
    response = Response.parse(answer)
    return response.kind == "error" and "systemUnavail" in response.fail_info


def _fetched(url: str) -> bytes:
    """What is served there; a node whose database has just restarted may ask to come again."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(url) as response:
                body: bytes = response.read()
                return body
        except HTTPError as error:
            if error.code != 503 or time.monotonic() > until:
                raise
            time.sleep(0.5)


@dataclass
class Soak:
    """One daemon, or more on one store, their clients, and the one who kills them."""

    nodes: Sequence[Daemon]
    findings: Findings
    chance: random.Random
    server: PostgresServer | None = None
    """What the nodes' store is in, to be killed as well; not for SQLite."""
    fronts: Sequence[Daemon] = ()
    """Where the clients go: the nodes themselves, unless a balancer stands before them."""
    workers: int = 1
    """Of each node."""
    stop: threading.Event = field(default_factory=threading.Event)

    def stubborn(self) -> Transport:
        """A transport that sends the same bytes until they are answered, and now and then once more."""

        def persist(request: bytes) -> bytes:
            answer = self._until_answered(request)
            if self.chance.random() < AGAIN:
                again = self._until_answered(request)
                with self.findings.lock:
                    self.findings.repeated += 1
                    if again != answer:
                        self.findings.wrong.append("a repeated request got another response")
            return answer

        return persist

    def _until_answered(self, request: bytes) -> bytes:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                front = self.chance.choice(self.fronts or self.nodes)
                answer = http_transport(f"http://{front.address}/cmp", timeout=15)(request)
            except (OSError, HTTPException):
                if time.monotonic() > until:
                    raise
            else:
                if not _asks_to_try_later(answer) or time.monotonic() > until:
                    return answer
                with self.findings.lock:
                    self.findings.postponed += 1
            time.sleep(0.02)

    def stubborn_client(self) -> None:
        """Enrol, update, sometimes revoke; nothing may go wrong."""
        client = Client(self.stubborn(), PBM(DEMO_ENTITY, DEMO_PASSWORD))
        while not self.stop.is_set():
            try:
                self._live(client)
            except (ClientError, OSError, HTTPException) as error:
                with self.findings.lock:
                    self.findings.wrong.append(f"a stubborn client failed: {error!r}")

    def _live(self, client: Client) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        implicit = self.chance.random() < 0.3
        enrol = client.enrol_implicitly if implicit else client.enrol
        certificate = enrol("ir", key).certificate
        self.findings.hold(certificate, CertificateState.ACTIVE)
        with self.findings.lock:
            self.findings.enrolled += 1
        if self.chance.random() < 0.3:
            answer = client.revoke(certificate, 1)
            if answer.status != "accepted":
                raise ClientError(f"revocation: {answer.status} {answer.fail_info} {answer.text}")
            self.findings.hold(certificate, CertificateState.REVOKED)
            with self.findings.lock:
                self.findings.revoked += 1

    def openssl_client(self, device: Device) -> None:
        """Enrol with openssl, update what was got; a run that a kill ends is begun anew."""
        device.key()
        while not self.stop.is_set():
            done = device.enrol("ir", "-total_timeout", "10")
            if done.status != 0:
                self._interrupted(done.output)
                continue
            self.findings.hold(device.certificate(), CertificateState.ACTIVE)
            with self.findings.lock:
                self.findings.enrolled += 1
            if device.update("-total_timeout", "10").status == 0:
                self.findings.hold(device.certificate("new.pem"), CertificateState.ACTIVE)
                with self.findings.lock:
                    self.findings.updated += 1

    def _interrupted(self, output: str) -> None:
        with self.findings.lock:
            self.findings.interrupted += 1
        time.sleep(0.1)
        if "PKIStatus: rejection" in output and not re.search("transactionIdInUse|systemUnavail", output):
            self.findings.wrong.append(f"an honest request was refused: {output[-300:]}")

    def kill(self, kills: int, longest: float) -> None:
        """Kill a node, or now and then the database server, at random moments, and start it again."""
        for number in range(kills):
            if number % 2:
                self.await_progress()
            time.sleep(self.chance.uniform(0.0, longest))
            self.findings.kills += 1
            if self.server is not None and number % 4 == 3:
                self.server.stop(signal.SIGQUIT)
                self.server.start()
                continue
            node = self.chance.choice(self.nodes)
            assert node.process is not None
            node.process.kill()
            node.process.wait()
            node.start()

    def await_progress(self) -> None:
        """However slow the machine: not only starts are killed, but work too."""
        enough = self.findings.enrolled + PROGRESS
        until = time.monotonic() + PATIENCE
        while self.findings.enrolled < enough and time.monotonic() < until:
            time.sleep(0.01)

    def run(self, disturb: Callable[[], None], *, stubborn: int, openssl: int) -> None:
        """Everybody at work while they are disturbed; what they were told is then held against the store."""
        work: list[Callable[[], None]] = [self.stubborn_client] * stubborn
        fronts = self.fronts or self.nodes
        for number in range(openssl):
            front = fronts[number % len(fronts)]
            folder = front.folder / f"device{number}"
            folder.mkdir()
            device = Device(folder, front)
            work.append(lambda device=device: self.openssl_client(device))  # type: ignore[misc] # bound now
        threads = [threading.Thread(target=one) for one in work]
        for thread in threads:
            thread.start()
        try:
            disturb()
            time.sleep(0.5)
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        if len(self.nodes) * self.workers > 1:  # whoever is asked need not be who revoked last
            time.sleep(CRL_LAG)
        listed = [self._listed(node) for node in self.nodes]
        for node in self.nodes:
            node.stop()
        self.findings.wrong.extend(asyncio.run(self._contradictions(listed)))

    def _listed(self, node: Daemon) -> set[int]:
        """The serial numbers on the CRL that an issued certificate names, as the node serves it."""
        points = node.certificates()[-1].der
        extension = x509.load_der_x509_certificate(points).extensions.get_extension_for_class(
            x509.CRLDistributionPoints
        )
        names = extension.value[0].full_name or []
        path = urlsplit(names[0].value).path
        crl = x509.load_der_x509_crl(_fetched(f"http://{node.address}{path}"))
        return {entry.serial_number for entry in crl}

    async def _contradictions(self, listed: Sequence[set[int]]) -> list[str]:
        """Where the store says other than the clients were told, contradicts itself, or a CRL does."""
        store = open_store(self.nodes[0].store)
        await store.open()
        try:
            wrong = [f"integrity check: {problem}" for problem in await store.integrity()]
            records = [one async for one in store.certificates(CertificateQuery())]
            broken = await first_break(store.audit(), await store.audit_heads())
        finally:
            await store.close()
        if broken is not None:
            wrong.append(f"the audit chain breaks: {broken}")
        states = {record.serial: record.state for record in records}
        wrong.extend(
            f"{serial:x}: the holder was told {told}, the store says {states.get(serial, 'nothing')}"
            for serial, told in self.findings.held.items()
            if states.get(serial) is not told
        )
        revoked = {
            serial
            for serial, state in states.items()
            if state not in (CertificateState.ACTIVE, CertificateState.UNCONFIRMED)
        }
        wrong.extend(
            f"a CRL lacks {len(revoked - serials)} and has {len(serials - revoked)} too many"
            for serials in listed
            if serials != revoked
        )
        counts = Counter(record.transaction for record in records if record.transaction)
        wrong.extend(
            f"transaction {transaction.hex()} has {count} certificates"
            for transaction, count in counts.items()
            if count > 1
        )
        return wrong


def soak(
    folder: Path,
    kills: int,
    *,
    stubborn: int = 3,
    openssl: int = 2,
    seed: int | None = None,
    workers: int = 1,
    server: PostgresServer | None = None,
) -> Findings:
    """Run the kill test in `folder`; what went wrong is in the findings.

    With a server, two nodes on a database of it, and the server is killed too.
    """
    daemon = Daemon(folder)
    daemon.init(server.new_database() if server else None)
    if workers > 1:
        daemon.configure("# workers = 1", f"workers = {workers}")
    nodes = [daemon]
    if server is not None:
        (folder / "second").mkdir()
        nodes.append(Daemon(folder / "second"))
        nodes[1].join(daemon)
    findings = Findings()
    try:
        for node in nodes:
            node.start()
        one = Soak(nodes, findings, random.Random(seed), server, workers=workers)
        one.run(lambda: one.kill(kills, 1.0), stubborn=stubborn, openssl=openssl)
    finally:
        for node in nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
    return findings


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the daemon under load, and see what is lost.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--postgres", action="store_true", help="two nodes on PostgreSQL, killed as well")
    arguments = parser.parse_args()
    server = PostgresServer({"fsync": "on"}).start() if arguments.postgres else None
    try:
        with tempfile.TemporaryDirectory(prefix="cmpd-soak-") as folder:
            findings = soak(
                Path(folder),
                arguments.kills,
                seed=arguments.seed,
                workers=arguments.workers,
                server=server,
            )
    finally:
        if server is not None:
            server.remove()
    sys.stdout.write("\n".join([str(findings), *findings.wrong, ""]))
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
