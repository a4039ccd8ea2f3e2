"""The Debian package: what it carries, that it runs as it is laid out, and that its scripts are sound."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cmpd import __version__

PROJECT = Path(__file__).parent.parent.parent
MISSING = [tool for tool in ("dpkg-deb", "/usr/bin/python3") if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}"),
    pytest.mark.timeout(300),
]


def _run(*command: str | Path, cwd: Path = PROJECT) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built and laid out under a folder in place of the root; its scripts under DEBIAN."""
    folder = tmp_path_factory.mktemp("debian")
    _run("packaging/debian/build", folder / "built")
    (package,) = (folder / "built").iterdir()
    _run("dpkg-deb", "--raw-extract", package, folder / "root")
    return folder / "root"


def test_it_runs_with_nothing_of_the_repository_in_sight(unpacked: Path, tmp_path: Path) -> None:
    python = unpacked / "opt/cmpd/bin/python3"
    assert _run(python, "-m", "cmpd", "--version", cwd=tmp_path).strip() == f"cmpd {__version__}"
    _run(python, "-m", "cmpd", "-c", tmp_path / "cmpd.conf", "init", cwd=tmp_path)
    assert "ready to serve" in _run(python, "-m", "cmpd", "-c", tmp_path / "cmpd.conf", "check", cwd=tmp_path)


def test_it_carries_units_user_manual_and_completion(unpacked: Path) -> None:
    for path in (
        "lib/systemd/system/cmpd.service",
        "lib/systemd/system/cmpd.socket",
        "usr/lib/sysusers.d/cmpd.conf",
        "usr/lib/tmpfiles.d/cmpd.conf",
        "usr/share/man/man1/cmpd.1.gz",
        "usr/share/bash-completion/completions/cmpd",
        "usr/share/doc/cmpd/copyright",
    ):
        assert (unpacked / path).is_file(), path
    assert (unpacked / "usr/bin/cmpd").readlink() == Path("/opt/cmpd/bin/cmpd")


def test_the_unit_starts_what_the_package_installs(unpacked: Path) -> None:
    unit = (unpacked / "lib/systemd/system/cmpd.service").read_text("utf-8")
    (start,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    program = start.removeprefix("ExecStart=").split()[0]
    assert (unpacked / program.lstrip("/")).is_symlink()


def test_nothing_in_it_names_the_folder_it_was_built_in(unpacked: Path) -> None:
    for path in (unpacked / "opt/cmpd/bin/cmpd", unpacked / "opt/cmpd/pyvenv.cfg"):
        assert "/tmp/" not in path.read_text("utf-8")
    assert (unpacked / "opt/cmpd/bin/cmpd").read_text("utf-8").startswith("#!/opt/cmpd/bin/python")


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_its_scripts_are_sound_shell(unpacked: Path, script: str) -> None:
    path = unpacked / "DEBIAN" / script
    assert path.stat().st_mode & 0o111
    _run("sh", "-n", path)


def test_purging_leaves_the_store_and_the_key_that_opens_it(unpacked: Path) -> None:
    text = (unpacked / "DEBIAN" / "postrm").read_text("utf-8")
    removed = [line for line in text.splitlines() if line.strip().startswith("rm ")]
    assert removed
    assert not [line for line in removed if "/var/lib" in line or "master.key" in line or "-r" in line]
