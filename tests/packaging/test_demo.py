"""What `make run` does: everything the printed command names is there, and the command works as it stands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
PORT = 8504
PATIENCE = 60
COMMAND = (
    "openssl cmp -cmd ir -server 127.0.0.1:8504 -path cmp -newkey key.pem "
    "-ref 251069b7-bcc3-4911-b312-04327925a1aa "
    '-secret pass:"GTTgcdagW:OGJ73_" -certout certOut.pem -subject "/CN=User/O=MTG/C=DE"'
)


def _taken() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) == 0


def _until(output: Path, text: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        shown = output.read_text("utf-8")
        if text in shown:
            return shown
        time.sleep(0.1)
    raise AssertionError(output.read_text("utf-8"))


@contextlib.contextmanager
def _demo(folder: Path, name: str) -> Iterator[str]:
    """Run the demo in the folder until it serves; what it printed."""
    output = folder / name
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [PROJECT / "scripts" / "demo", sys.executable],
            cwd=folder,
            stdout=stream,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield _until(output, "serving CMP")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0, output.read_text("utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout's folder, as far as the demo looks into it. It serves at the port it always serves at."""
    if _taken():
        pytest.skip(f"port {PORT} is taken by another program")
    (tmp_path / "scripts").symlink_to(PROJECT / "scripts")
    return tmp_path


def _shell(folder: Path, command: str) -> str:
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.may_skip("the demo's port is fixed, and may be another program's")
def test_the_printed_commands_work_as_they_stand_and_a_second_run_reuses_what_is_there(folder: Path) -> None:
    kept: dict[str, bytes] = {}
    for name in ("first", "second"):
        with _demo(folder, name) as shown:
            assert COMMAND in shown
            (verify,) = re.findall(r"openssl verify .*", shown)
            _shell(folder, COMMAND)
            assert _shell(folder, verify).strip() == "certOut.pem: OK"
            now = {one: (folder / one).read_bytes() for one in ("key.pem", "var/master.key", "var/ca.pem")}
            assert not kept or kept == now
            kept = now
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0


def test_the_readme_shows_the_same_command() -> None:
    assert COMMAND in (PROJECT / "README.md").read_text("utf-8")
