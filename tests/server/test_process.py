"""What the serving process gives up before it serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPORT = """
import os, resource
from cmpd.server.process import harden
os.umask(0)
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
harden()
open("made", "w").close()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], oct(os.stat("made").st_mode & 0o777))
"""


def test_no_core_is_dumped_and_what_is_made_is_for_the_user_alone(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", REPORT], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert shown.split() == ["0", "0o600"]
