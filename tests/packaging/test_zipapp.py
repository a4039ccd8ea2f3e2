"""The single file: it unpacks itself once, for its own user alone, and runs from there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cmpd import __version__

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cmpd.pyz, built with the Python that runs the tests."""
    path = tmp_path_factory.mktemp("zipapp") / "cmpd.pyz"
    command = [str(PROJECT / "packaging" / "zipapp" / "build"), sys.executable, str(path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return path


def _run(zipapp: Path, unpack: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CMPD_UNPACK": str(unpack)}
    command = [sys.executable, str(zipapp), *words]
    return subprocess.run(
        command, env=environment, cwd=unpack.parent, capture_output=True, text=True, check=False
    )


def test_it_runs_and_makes_a_store(zipapp: Path, tmp_path: Path) -> None:
    unpack = tmp_path / "unpacked"
    assert _run(zipapp, unpack, "--version").stdout.strip() == f"cmpd {__version__}"
    done = _run(zipapp, unpack, "-c", "cmpd.conf", "init")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cmpd.db").is_file()


def test_it_unpacks_once_and_into_a_folder_of_its_users_own(zipapp: Path, tmp_path: Path) -> None:
    unpack = tmp_path / "unpacked"
    for _ in range(2):
        assert _run(zipapp, unpack, "--version").returncode == 0
    assert len(list(unpack.iterdir())) == 1
    assert unpack.stat().st_mode & 0o077 == 0


def test_it_does_not_run_from_a_folder_that_others_can_write_to(zipapp: Path, tmp_path: Path) -> None:
    unpack = tmp_path / "open"
    unpack.mkdir()
    unpack.chmod(0o777)
    done = _run(zipapp, unpack, "--version")
    assert done.returncode != 0
    assert "writable by nobody else" in done.stderr
    assert list(unpack.iterdir()) == []
