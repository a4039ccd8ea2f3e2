"""What is written down: one line a request, in journald's manner or as JSON."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cmpd.cmp.transaction.exchange import RequestLogEntry
from cmpd.config import LogConfig
from cmpd.server.process import logs

RECORD = RequestLogEntry(
    peer="192.0.2.1",
    transaction="0102",
    request="ir",
    response="ip",
    entity="an entity",
    policy="p",
    status="accepted",
    serial="3f",
)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_a_request_is_one_line_with_its_priority(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogConfig())
    logs.log_request(RECORD, 1.25)
    assert capsys.readouterr().err == (
        '<6>peer=192.0.2.1 transaction=0102 request=ir response=ip entity="an entity" policy=p '
        "status=accepted serial=3f ms=1.2\n"
    )


def test_a_request_is_a_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogConfig(format="json"))
    logs.log_request(RECORD, 1.25)
    value = json.loads(capsys.readouterr().err)
    assert (value["transaction"], value["serial"], value["level"]) == ("0102", "3f", "info")
    assert value["time"].endswith("+00:00")


@pytest.mark.parametrize("style", ["journal", "json"])
def test_what_a_peer_sends_stays_on_its_line(capsys: pytest.CaptureFixture[str], style: str) -> None:
    logs.set_up(LogConfig(format=style))
    logs.log_request(RequestLogEntry(peer="x\n<2>forged", text='quo"te\x1b[2J\u2028'), 1)
    lines = capsys.readouterr().err.split("\n")
    assert len(lines) == 2
    assert "\x1b" not in lines[0]
    assert lines[0].isprintable()


@pytest.mark.parametrize(
    ("level", "fail_info", "seen"),
    [
        ("info", "badAlg", True),
        ("warning", "badAlg", False),
        ("warning", "systemFailure", True),
        ("error", "systemFailure", False),
    ],
)
def test_the_level_decides_what_is_written(
    capsys: pytest.CaptureFixture[str], level: str, fail_info: str, seen: bool
) -> None:
    logs.set_up(LogConfig(level=level))
    logs.log_request(RequestLogEntry(fail_info=fail_info), 1)
    assert bool(capsys.readouterr().err) is seen


def test_a_failure_with_its_traceback_has_the_priority_on_each_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up(LogConfig())
    try:
        raise RuntimeError("unexpected")
    except RuntimeError:
        logging.getLogger("cmpd").exception("failed")
    assert all(line.startswith("<3>") for line in capsys.readouterr().err.splitlines())


def test_what_libraries_warn_of_has_a_priority_too() -> None:
    program = (
        "import warnings; from cmpd.config import LogConfig; from cmpd.server.process import logs; "
        "logs.set_up(LogConfig()); warnings.warn('old')"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    assert all(line.startswith("<4>") for line in said.splitlines())
    assert "old" in said
