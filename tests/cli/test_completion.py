"""Shell completion offers what the parsers know."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from cmpd.cli import COMMANDS

# Ask the completion function for what may follow the words given; the last word is unfinished.
ASK = """
. <({command} completion bash)
compopt() {{ :; }}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_cmpd
echo "${{COMPREPLY[@]}}"
"""


def _complete(*words: str) -> list[str]:
    script = ASK.format(command=f"{sys.executable} -m cmpd", words=shlex.join(["cmpd", *words]))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_the_first_word_is_a_command() -> None:
    assert set(COMMANDS) <= set(_complete(""))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ent",), ["entity"]),
        (("-c", "entity", "ent"), ["entity"]),
        (("entity", "bl"), ["block"]),
        (("entity", "add", "--password-f"), ["--password-file"]),
        (("entity", "show", "--nonsense"), []),
    ],
)
def test_words_are_completed_where_they_stand(words: tuple[str, ...], offered: list[str]) -> None:
    assert _complete(*words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cmpd", "completion", shell], capture_output=True, text=True, check=True
    )
    assert "entity" in done.stdout
