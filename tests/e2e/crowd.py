"""A crowd of clients at a daemon: each enrols again and again, and notes what went wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from tests.cmpclient import PBM, Client, http_transport
from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Daemon


def client_of(daemon: Daemon) -> Client:
    """A client with the demo entity's password, on a connection of its own."""
    secret = PBM(DEMO_ENTITY, DEMO_PASSWORD)
    return Client(http_transport(f"http://{daemon.address}/cmp"), secret)


@dataclass
class Crowd:
    """What became of it so far."""

    enrolled: int = 0
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def _enrol(self, daemon: Daemon) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        while not self._over.is_set():
            try:
                client_of(daemon).enrol("ir", key)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
                self.failures.append(repr(error))
            else:
                with self._lock:
                    self.enrolled += 1


@contextmanager
def crowd(daemon: Daemon, size: int = 3) -> Iterator[Crowd]:
    """A crowd that enrols until the context ends."""
    found = Crowd()
    threads = [threading.Thread(target=found._enrol, args=(daemon,)) for _ in range(size)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found._over.set()
        for thread in threads:
            thread.join()
