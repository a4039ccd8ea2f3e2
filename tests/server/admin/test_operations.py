"""What operators see of a daemon: scoreboard, readiness, metrics."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import cast

import pytest

from cmpd.clm.client import Client
from cmpd.clm.store.base import StoreUnavailable
from cmpd.config import Config
from cmpd.server.admin import readiness
from cmpd.server.admin.metrics import Metrics, MetricsUnavailable, State
from cmpd.server.admin.pages import Admin
from cmpd.server.admin.readiness import Readiness
from cmpd.server.admin.scoreboard import MINUTES, Scoreboard
from cmpd.server.http.semantics import HTTPRequest

NOW = 1_700_000_040  # the first second of a minute


def test_the_scoreboard_adds_up_what_processes_wrote() -> None:
    board = Scoreboard(2)
    for slot in range(2):
        pid = os.fork()
        if pid == 0:
            row = board.row(slot)
            row.begin(100 + slot, NOW)
            row.occupy(5, slot)
            for second in range(3):
                row.count(NOW + 60 * second, refused=second == 0)
            os._exit(0)
        os.waitpid(pid, 0)
    assert [(one.pid, one.connections, one.requests) for one in board.workers()] == [(100, 5, 0), (101, 5, 1)]
    minutes = board.minutes(NOW + 120)
    assert len(minutes) == MINUTES
    assert [(one.begin, one.answered, one.refused) for one in minutes[-3:]] == [
        (NOW, 2, 2),
        (NOW + 60, 2, 0),
        (NOW + 120, 2, 0),
    ]


def test_the_scoreboard_forgets_after_an_hour() -> None:
    board = Scoreboard(1)
    row = board.row(0)
    row.count(NOW, refused=True)
    row.count(NOW + 3600, refused=False)
    assert [(one.answered, one.refused) for one in board.minutes(NOW + 3600) if one.answered] == [(1, 0)]


@dataclass
class Lifecycle:
    """A lifecycle whose store may be gone, or slow, and whose CA may have ended."""

    failure: Exception | None = None
    slow: bool = False
    not_after: int = NOW + 1
    asked: int = 0

    @property
    def store(self) -> Lifecycle:
        return self

    def now(self) -> int:
        return NOW

    async def check(self) -> None:
        self.asked += 1
        if self.slow:
            await asyncio.sleep(60)
        if self.failure is not None:
            raise self.failure

    async def authorities(self) -> list[Lifecycle]:
        return [self]


@pytest.mark.parametrize(
    ("lifecycle", "words"),
    [
        (Lifecycle(), ""),
        (Lifecycle(failure=StoreUnavailable("the disk is full")), "the disk is full"),
        (Lifecycle(slow=True), "does not answer"),
        (Lifecycle(not_after=NOW), "no CA whose certificate is valid"),
    ],
)
def test_readiness_names_the_obstacle(
    lifecycle: Lifecycle, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.05)
    obstacles = asyncio.run(Readiness(cast("Client", lifecycle)).obstacles())
    assert words in "".join(obstacles)
    assert bool(obstacles) is bool(words)


def test_readiness_comes_back_by_itself_and_is_not_asked_for_more_than_once_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lifecycle = Lifecycle(failure=StoreUnavailable("gone"))

    async def run() -> None:
        ready = Readiness(cast("Client", lifecycle))
        assert await ready.obstacles() == ("gone",)
        lifecycle.failure = None
        assert await ready.obstacles() == ("gone",)
        assert lifecycle.asked == 1
        monkeypatch.setattr(readiness, "VALID", 0.0)
        assert await ready.obstacles() == ()

    asyncio.run(run())


def _admin(metrics: Metrics | MetricsUnavailable, lifecycle: Lifecycle, path: str) -> tuple[int, str]:
    client = cast("Client", lifecycle)
    request = HTTPRequest("GET", path, [], b"", "127.0.0.1", True)

    async def run() -> tuple[int, str]:
        admin = Admin(Config, client, Readiness(client), metrics, Scoreboard(1))
        response = await admin(request)
        return response.status, response.body.decode()

    return asyncio.run(run())


def test_without_prometheus_client_the_page_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MetricsUnavailable) as unavailable:
        Metrics()
    status, text = _admin(unavailable.value, Lifecycle(), "/metrics")
    assert status == 501
    assert "pip install 'cmpd[metrics]'" in text


def test_without_a_store_the_process_is_healthy_not_ready_and_still_has_metrics() -> None:
    gone = Lifecycle(failure=StoreUnavailable("the disk is full"))
    assert _admin(Metrics(), gone, "/healthz")[0] == 200
    assert _admin(Metrics(), gone, "/readyz") == (503, "the disk is full\n")
    status, text = _admin(Metrics(), gone, "/metrics")
    assert status == 200
    assert "cmpd_ready 0.0" in text


def test_metrics_name_pending_approvals_days_left_and_what_is_remembered() -> None:
    state = State(
        True, {"active": 3}, {("issuing", "ca"): 2.5, ("issuing", "crl"): -1.0}, 4, 5, 6, {"CN=Vendor": 1.5}
    )
    text = Metrics().expose(state)[1].decode()
    for line in (
        'cmpd_certificates{state="active"} 3.0',
        'cmpd_expiry_days{ca="issuing",of="ca"} 2.5',
        'cmpd_expiry_days{ca="issuing",of="crl"} -1.0',
        'cmpd_imported_crl_days{issuer="CN=Vendor"} 1.5',
        "cmpd_pending_approvals 4.0",
        "cmpd_transactions 5.0",
        "cmpd_transactions_max 6.0",
        "cmpd_ready 1.0",
    ):
        assert line in text
