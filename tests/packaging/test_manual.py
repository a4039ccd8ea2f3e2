"""The manual pages are made from the command line's own help, and troff has nothing to say against them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cmpd.cli import COMMANDS

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the pages."""
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, PROJECT / "packaging" / "manual.py", folder], check=True)
    return folder


def test_there_is_a_page_for_cmpd_and_one_for_each_command(pages: Path) -> None:
    expected = {"cmpd.1"} | {f"cmpd-{noun}.1" for noun in COMMANDS}
    assert {path.name for path in pages.iterdir()} == expected


def test_a_page_has_every_option_of_its_command(pages: Path) -> None:
    text = (pages / "cmpd-entity.1").read_text("utf-8").replace("\\-", "-")
    for option in ("--password-file", "--policy", "--reference", "--json"):
        assert option in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_troff_takes_every_page_without_a_warning(pages: Path) -> None:
    for page in sorted(pages.iterdir()):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-Kutf8", page], capture_output=True, text=True, check=False
        )
        assert done.stderr == "", page.name
