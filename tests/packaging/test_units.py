"""The systemd units: correct, and as closed as a network service can be."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
MOST_EXPOSED = 1.5

may_skip = pytest.mark.may_skip(reason="systemd-analyze comes with systemd, which containers leave out")
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here"
)


def _analyze(*words: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


@may_skip
@needs_systemd
def test_the_service_is_sandboxed() -> None:
    said = _analyze("security", "--offline=true", "--no-pager", str(UNITS / "cmpd.service"))
    level = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert level, said
    assert float(level[1]) <= MOST_EXPOSED, said


@may_skip
@needs_systemd
def test_systemd_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    for unit in ("cmpd.service", "cmpd.socket"):
        text = (UNITS / unit).read_text("utf-8").replace("/usr/bin/cmpd", "/bin/true")
        (tmp_path / unit).write_text(text, "utf-8")
    said = _analyze("verify", "--man=no", str(tmp_path / "cmpd.service"), str(tmp_path / "cmpd.socket"))
    assert [line for line in said.splitlines() if "cmpd" in line] == []


def test_every_file_that_the_package_installs_is_there() -> None:
    build = (UNITS.parent / "packaging" / "debian" / "build").read_text("utf-8")
    for name in re.findall(r"systemd/([a-z]+\.[a-z]+)", build):
        assert (UNITS / name).is_file(), name


def test_the_sockets_are_the_listeners_of_the_default_configuration() -> None:
    ports = re.findall(r"^ListenStream=(.+)$", (UNITS / "cmpd.socket").read_text("utf-8"), re.MULTILINE)
    config = (UNITS.parent / "cmpd.conf").read_text("utf-8")
    assert ports == re.findall(r'^address = "(.+)"$', config, re.MULTILINE)
