"""A guesser meets one count of its failures, whichever worker it meets, and a new start forgets none.

The tries that count are those answered badMessageCheck: they were looked at. systemUnavail: not yet.
"""

from __future__ import annotations

import signal
import time
from collections import Counter

from cmpd.clm.throttle import FREE
from tests.clm import pki
from tests.cmpclient import PBM, Client, http_transport, requests
from tests.e2e.crowd import client_of
from tests.e2e.harness import DEMO_ENTITY, Daemon

BODY = ("ir", [requests.certificate_request(pki.key("P-256", 96), "CN=device")])
HEARD = 3.0
"""Seconds after which every process has heard of what another has counted."""


def _guesser(daemon: Daemon) -> Client:
    """On a connection of its own, which one worker takes and keeps."""
    return Client(http_transport(f"http://{daemon.address}/cmp"), PBM(DEMO_ENTITY, "wrong"))


def _guess(client: Client, times: int) -> list[str]:
    return [client.begin().send(BODY).fail_info[0] for _ in range(times)]


def test_a_guesser_at_one_worker_is_slowed_down_by_the_others(stopped: Daemon) -> None:
    stopped.environment["CMPD_WORKERS"] = "2"
    stopped.start()
    assert _guess(_guesser(stopped), FREE + 1) == ["badMessageCheck"] * (FREE + 1)
    time.sleep(HEARD)
    tries = Counter(outcome for _ in range(20) for outcome in _guess(_guesser(stopped), 1))
    assert tries["badMessageCheck"] <= 2, "one for each worker, since a second was waited"
    assert tries["systemUnavail"] >= 18
    assert stopped.stop() == 0


def test_a_new_start_goes_on_counting_and_a_success_ends_the_wait(stopped: Daemon) -> None:
    stopped.start()
    guesser = _guesser(stopped)
    assert _guess(guesser, FREE + 1) == ["badMessageCheck"] * (FREE + 1)
    time.sleep(HEARD)
    stopped.stop(signal.SIGKILL)
    stopped.start()
    assert _guess(guesser, 3) == ["badMessageCheck", "systemUnavail", "systemUnavail"]
    assert stopped.stop() == 0
    stopped.start()
    assert _guess(guesser, 1) == ["systemUnavail"], "also of what was counted right before the stop"
    time.sleep(HEARD)
    client_of(stopped).enrol("ir", pki.key("P-256", 96))
    assert _guess(guesser, FREE) == ["badMessageCheck"] * FREE
    assert stopped.stop() == 0
