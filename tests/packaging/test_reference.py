"""cmpd.conf and the configuration reference say what the code says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    files = runpy.run_path(str(PROJECT / "packaging" / "reference.py"))["FILES"]
    stale = [path.name for path, make in files.items() if path.read_text("utf-8").rstrip() != make().rstrip()]
    assert stale == [], "run `make reference`"


def test_the_keys_that_take_a_restart_are_those_the_reference_names() -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text("utf-8")
    told = text[text.index("The others take a restart") : text.index("This page is made")]
    rows = re.findall(r"^\| `([a-z_.]+)` \|.*\|$", text, re.MULTILINE)
    live = re.findall(r"^\| `([a-z_.]+)` \|.*\*reload\* \|$", text, re.MULTILINE)
    assert set(re.findall(r"`([a-z_.]+)`", told)) == set(rows) - set(live)
