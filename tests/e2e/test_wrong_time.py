"""A machine whose clock is wrong, or whose CA has ended: said in one line before a device finds out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import Daemon, Run, run

YEAR = 365 * 86_400
SHIFT = """
import os, time
true_time = time.time
time.time = lambda: true_time() + float(os.environ["SHIFT"])
"""
"""Python imports sitecustomize before anything else: the daemon's clock, without the machine's."""


def _at_another_time(daemon: Daemon, folder: Path, seconds: int, *words: str) -> Run:
    """Run a cmpd command with a clock that is off by so much."""
    (folder / "sitecustomize.py").write_text(SHIFT, "utf-8")
    clock = ("env", f"PYTHONPATH={folder}", f"SHIFT={seconds}")
    return run([*clock, sys.executable, "-m", "cmpd", "-c", daemon.config, *words], daemon.folder)


@pytest.mark.parametrize(
    ("shift", "status", "words"),
    [
        (11 * YEAR, os.EX_CONFIG, ("CA issuing expired at", "cmpd ca rollover issuing")),
        (-YEAR, os.EX_TEMPFAIL, ("CA issuing begins at", "set the clock")),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_the_daemon_does_not_start_where_no_ca_is_in_its_time(
    stopped: Daemon, tmp_path: Path, workers: int, shift: int, status: int, words: tuple[str, ...]
) -> None:
    """By a clock that is behind it is tried again (75), as the clock will be set; an end is for good (78)."""
    stopped.configure("# workers = 1", f"workers = {workers}")
    done = _at_another_time(stopped, tmp_path, shift, "serve")
    (line,) = done.output.splitlines()
    assert all(word in line for word in words)
    assert done.status == status


@pytest.mark.parametrize("shift", [11 * YEAR, -YEAR])
def test_check_says_so_too(stopped: Daemon, tmp_path: Path, shift: int) -> None:
    done = _at_another_time(stopped, tmp_path, shift, "check")
    assert "FAULT: CA issuing " in done
    assert done.status == os.EX_CONFIG
