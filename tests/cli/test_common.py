"""What commands share: who acts, and what a terminal gets to see."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from cmpd.cli import common
from cmpd.clm.model import AuditEvent, ObjectKind, StoredObject
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, Audit, PutObject
from tests.cli.conftest import Operator
from tests.support.records import a_certificate

ROOT, DAEMON, PERSON, OTHER = 0, 2, 4711, 4712
NAMES = {ROOT: "root", DAEMON: "daemon", PERSON: "anne", OTHER: "bert"}
NONE = str(common.NO_LOGIN)
HOSTILE = "CN=\x1b]0;owned\x07\x9b2Jpump\u202e\nok"
"""Sets a window's title, clears the screen, turns the writing round, and adds a line."""


@pytest.mark.parametrize(
    ("real", "login", "environment", "actor"),
    [
        (PERSON, NONE, {}, "anne"),
        (PERSON, NONE, {"SUDO_USER": "bert", "LOGNAME": "bert", "USER": "bert"}, "anne"),
        (ROOT, NONE, {}, "root"),
        (ROOT, NONE, {"SUDO_USER": "anne"}, "anne"),
        (DAEMON, NONE, {"SUDO_USER": "anne"}, "anne"),
        (ROOT, str(PERSON), {"SUDO_USER": "bert"}, "anne"),
        (PERSON, str(PERSON), {"SUDO_USER": "bert"}, "anne"),
        (OTHER, str(PERSON), {}, "anne"),
        (PERSON, "", {}, "anne"),
        (9999, NONE, {}, "9999"),
    ],
)
def test_who_acts_is_who_the_kernel_says_whatever_the_environment_says(
    real: int,
    login: str,
    environment: dict[str, str],
    actor: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else one operator would be two, and approve twice."""

    def named(uid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((NAMES[uid], "x", uid, uid, "", "/", "/bin/sh"))

    (tmp_path / "loginuid").write_text(login)
    monkeypatch.setattr(common, "LOGIN_UID", tmp_path / "loginuid")
    monkeypatch.setattr(os, "getuid", lambda: real)
    monkeypatch.setattr(pwd, "getpwuid", named)
    monkeypatch.delenv("SUDO_USER", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert common.actor() == f"operator:{actor}"


@pytest.fixture
def infested(operator: Operator) -> Operator:
    """Before a store in which a stranger's text has found its place."""

    async def plant(store: Store) -> None:
        await store.commit(
            [
                PutObject(StoredObject(ObjectKind.CA, "issuing", "issuing", {})),
                AddCertificate(a_certificate(subject=HOSTILE, serial=0xABC)),
                Audit(AuditEvent(1, "peer:\x1b[2J", "request.refuse", HOSTILE)),
            ]
        )

    operator.in_store(plant)
    return operator


@pytest.mark.parametrize(
    "words",
    [
        ("cert", "list"),
        ("cert", "list", "--json"),
        ("cert", "show", "abc"),
        ("audit", "list"),
        ("audit", "list", "--json"),
        ("audit", "list", "--lines"),
    ],
)
def test_a_terminal_obeys_nothing_in_what_a_stranger_chose(
    infested: Operator, words: tuple[str, ...]
) -> None:
    answer = infested(*words)
    assert answer.status == 0, answer.err
    shown = answer.out
    assert "pump" in shown
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "\nok" not in shown


def test_programs_get_the_text_as_it_is(infested: Operator) -> None:
    (listed,) = infested("cert", "list", "--json").json
    assert listed["subject"] == HOSTILE
    lines = [json.loads(line) for line in infested("audit", "list", "--lines").out.splitlines()]
    assert HOSTILE in [one["subject"] for one in lines]


def test_letters_of_any_language_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_json([{"name": "Pumpe Süd 泵"}])
    assert "Pumpe Süd 泵" in capsys.readouterr().out


def test_an_error_that_repeats_a_strangers_text_is_safe_too(operator: Operator) -> None:
    complaint = operator("entity", "show", "\x1b[2Jnobody").complaint
    assert complaint.isprintable()
    assert "nobody" in complaint


CHECKING = """
import ctypes, sys
from cmpd.cli import main
main(["-c", sys.argv[1], "check"])
print(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
""".replace("PR_GET_DUMPABLE", "3")


def test_a_command_that_opens_the_master_key_conceals_its_memory(operator: Operator) -> None:
    words = [sys.executable, "-c", CHECKING, str(operator.folder / "cmpd.conf")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
