"""The coverage-guided fuzzer: `make fuzz`, or

    python -m tests.fuzz [-max_total_time=SECONDS] [CORPUS …]

Options are libFuzzer's. Inputs that reach something new go to the first folder named; the messages kept
in tests/cmp/messages and tests/fuzz/corpus are where it begins.
"""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cmpd"]):
    from tests.fuzz.oracle import oracle

HERE = Path(__file__).parent
KEPT = (HERE / "corpus", HERE.parent / "cmp" / "messages")


def main() -> None:
    context = oracle()
    judge = context.__enter__()

    def summary() -> None:
        sys.stderr.write(f"{judge.inputs} inputs, {judge.protected} of them under a right MAC as well\n")
        context.__exit__(None, None, None)

    atexit.register(summary)
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    kept = [str(folder) for folder in KEPT if folder.is_dir() and str(folder) not in folders]
    atheris.Setup([*sys.argv, *kept], judge.judge)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
