"""What the documentation points to is there: tests by name, files by path, keys and commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cmpd.cli import COMMANDS

PROJECT = Path(__file__).parent.parent
PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").rglob("*.md"))]
NAMED_TEST = re.compile(r"`(?:tests/)?([\w/]+\.py)::(\w+)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"`cmpd (?:-c \S+ )?([a-z]+)")


def _name(page: Path) -> str:
    return str(page.relative_to(PROJECT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    for file, function in NAMED_TEST.findall(page.read_text("utf-8")):
        path = PROJECT / "tests" / file
        assert path.is_file(), file
        assert re.search(rf"def {function}\(", path.read_text("utf-8")), f"{file}::{function}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    for noun in COMMAND.findall(page.read_text("utf-8")):
        assert noun in COMMANDS, f"cmpd {noun}"
