"""A guesser meets one count of its failures, whichever worker it meets, and a new start forgets none.

The tries that count are those answered badMessageCheck: they were looked at. systemUnavail: not yet. A
process that has heard nothing looks at FREE + 1 of them; each further one takes twice as long a wait.
"""

from __future__ import annotations

import signal
import time

from cmpd.clm.entities.throttle import FREE
from tests.clm import pki
from tests.cmpclient import PBM, Client, http_transport, requests
from tests.e2e.harness import DEMO_ENTITY, Daemon

BODY = ("ir", [requests.certificate_request(pki.key("P-256", 96), "CN=device")])
LOOKED_AT, NOT_YET = "badMessageCheck", "systemUnavail"
HEARD = 3.0
"""Seconds after which every process has heard of what another has counted."""


def _guesser(daemon: Daemon) -> Client:
    """On a connection of its own, which one worker takes and keeps."""
    return Client(http_transport(f"http://{daemon.address}/cmp"), PBM(DEMO_ENTITY, "wrong"))


def _guess(client: Client, times: int) -> list[str]:
    return [client.begin().send(BODY).fail_info[0] for _ in range(times)]


def _counted(daemon: Daemon) -> int:
    """The failures at the demo entity, as the store has them."""
    rows, _ = daemon.with_store(lambda store: store.attempts(0))
    return max(row.failures for row in rows)


def test_a_guesser_at_one_worker_is_slowed_down_by_the_others(stopped: Daemon) -> None:
    stopped.environment["CMPD_WORKERS"] = "2"
    stopped.start()
    assert _guess(_guesser(stopped), FREE + 1) == [LOOKED_AT] * (FREE + 1)
    time.sleep(HEARD)
    tries = [outcome for _ in range(30) for outcome in _guess(_guesser(stopped), 1)]
    assert set(tries) <= {LOOKED_AT, NOT_YET}
    assert tries.count(LOOKED_AT) <= FREE
    assert stopped.stop() == 0


def test_a_killed_daemon_goes_on_counting(stopped: Daemon) -> None:
    stopped.start()
    assert _guess(_guesser(stopped), FREE + 1) == [LOOKED_AT] * (FREE + 1)
    time.sleep(HEARD)
    stopped.stop(signal.SIGKILL)
    stopped.start()
    assert NOT_YET in _guess(_guesser(stopped), FREE + 1)
    assert stopped.stop() == 0


def test_a_stopped_daemon_has_told_what_it_counted_last(stopped: Daemon) -> None:
    stopped.start()
    assert _guess(_guesser(stopped), FREE + 1) == [LOOKED_AT] * (FREE + 1)
    assert stopped.stop() == 0
    assert _counted(stopped) == FREE + 1
