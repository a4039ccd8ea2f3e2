"""Strangers in numbers neither keep honest clients out nor make the daemon grow."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.flood import flood

SECONDS = 6.0
GROWTH = 40.0
"""MiB: 1,300 connections with what they sent so far, and the logs' buffers."""


def test_honest_clients_are_served_in_the_flood_and_memory_stays_bounded(tmp_path: Path) -> None:
    figures = flood(tmp_path, SECONDS)
    assert not figures.failures
    assert figures.flooded
    assert max(figures.memory) - figures.memory[0] < GROWTH
    assert figures.statuses["HTTP/1.1 200 OK"]
