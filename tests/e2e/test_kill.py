"""What was said stays true, and what was not said did not happen, whenever the daemon is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.soak import soak
from tests.support.postgres import MISSING, PostgresServer, binaries

KILLS = 12


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_lost_or_doubled_when_the_daemon_is_killed_under_load(
    tmp_path: Path, workers: int
) -> None:
    findings = soak(tmp_path, KILLS, workers=workers)
    assert findings.kills == KILLS
    assert findings.enrolled > KILLS
    assert findings.repeated
    assert not findings.wrong, "\n".join(findings.wrong)


def test_nothing_is_lost_or_doubled_when_two_nodes_and_their_database_are_killed_under_load(
    tmp_path: Path,
) -> None:
    if binaries() is None:
        pytest.skip(MISSING)
    server = PostgresServer().start()
    try:
        findings = soak(tmp_path, KILLS, server=server)
    finally:
        server.remove()
    assert findings.kills == KILLS
    assert findings.enrolled > KILLS
    assert findings.repeated
    assert not findings.wrong, "\n".join(findings.wrong)
