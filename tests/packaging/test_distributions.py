"""What is built carries what it needs to run where the repository is not."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cmpd import __version__

PROJECT = Path(__file__).parent.parent.parent
MODULES = sorted(path.name for path in (PROJECT / "asn1").glob("*.asn1"))


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def unpacked(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as pip would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder)
    return folder


def test_the_wheel_carries_the_asn1_modules_and_the_default_configuration(unpacked: Path) -> None:
    assert sorted(path.name for path in (unpacked / "cmpd" / "asn1").glob("*.asn1")) == MODULES
    assert MODULES
    assert (unpacked / "cmpd" / "cmpd.conf").read_bytes() == (PROJECT / "cmpd.conf").read_bytes()


def test_the_wheel_carries_every_file_of_the_package(unpacked: Path) -> None:
    files = {path.relative_to(PROJECT) for path in (PROJECT / "cmpd").rglob("*") if path.is_file()}
    wanted = {path for path in files if "__pycache__" not in path.parts}
    assert {path for path in wanted if not (unpacked / path).is_file()} == set()


def test_the_wheel_makes_a_store_where_the_repository_is_not(unpacked: Path, tmp_path: Path) -> None:
    start = f"import sys; sys.path.insert(0, {str(unpacked)!r}); from cmpd.cli import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", start, "-c", "cmpd.conf", "init"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cmpd.db").is_file()


def test_the_source_archive_carries_all_that_a_wheel_and_the_tests_need(distributions: Path) -> None:
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = set(content.getnames())
    root = f"cmpd-{__version__}"
    for name in ("pyproject.toml", "LICENSE", "README.md", "Makefile", "cmpd.conf", "tests/conftest.py"):
        assert f"{root}/{name}" in names
    assert not [name for name in names if "/var/" in name or name.endswith((".pem", ".key"))]
