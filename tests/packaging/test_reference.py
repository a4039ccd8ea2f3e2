"""cmpd.conf and the configuration reference say what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    files = runpy.run_path(str(PROJECT / "packaging" / "reference.py"))["FILES"]
    stale = [path.name for path, make in files.items() if path.read_text("utf-8").rstrip() != make().rstrip()]
    assert stale == [], "run `make reference`"
