"""What the serving process gives up before it serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cmpd.server.process.hardening import allow_files

REPORT = """
import ctypes, os, resource
from cmpd.server.process.hardening import harden
os.umask(0)
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
harden()
open("made", "w").close()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], oct(os.stat("made").st_mode & 0o777))
print(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
""".replace("PR_GET_DUMPABLE", "3")
HOLDER = """
import ctypes, os, sys
from cmpd.server.process.hardening import conceal
os.setuid(int(sys.argv[1]))
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # which a change of the user takes away
if sys.argv[2] == "concealed":
    conceal()
    if os.fork():
        os.wait()
        os._exit(0)
print(os.getpid(), flush=True)
sys.stdin.read()
""".replace("PR_SET_DUMPABLE", "4")
NEIGHBOUR = """
import os, sys
os.setuid(int(sys.argv[1]))
try:
    open(f"/proc/{sys.argv[2]}/mem", "rb")
except OSError as error:
    print(error.strerror)
else:
    print("opened")
"""
SOMEBODY = 65534


def _run(script: str, *arguments: str, cwd: Path | None = None) -> str:
    words = [sys.executable, "-c", script, *arguments]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def user() -> str:
    """A uid without root's privileges, which see everything: this one, or, where that is root, nobody's."""
    return str(os.getuid() or SOMEBODY)


def test_no_core_is_dumped_and_what_is_made_is_for_the_user_alone(tmp_path: Path) -> None:
    assert _run(REPORT, cwd=tmp_path).split() == ["0", "0o600", "0"]


@pytest.mark.parametrize(
    ("how", "told"), [("concealed", "Permission denied"), ("as processes are", "opened")]
)
def test_memory_is_concealed_from_other_processes_of_the_same_user_in_workers_too(
    user: str, how: str, told: str
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, user, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        worker = holder.stdout.readline().strip()
        assert _run(NEIGHBOUR, user, worker).strip() == told
    finally:
        holder.communicate()


def test_what_the_system_does_not_allow_is_said_and_lived_with(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda kind: (100, 1000))

    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise PermissionError("not permitted")

    monkeypatch.setattr("resource.setrlimit", refuse)
    allow_files(5000)
    assert "at most 936 connections at once" in caplog.text
    assert "no more than 100 files may be open: not permitted" in caplog.text
