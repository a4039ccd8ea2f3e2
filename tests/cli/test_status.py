"""`cmpd status`: one screen, and the same for programs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cmpd.cli.status import _bars, _days
from cmpd.clm.model import AuditEvent
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import Audit
from tests.cli.conftest import Operator


def _audit(
    operator: Operator,
    action: str,
    outcome: str = "ok",
    *,
    ago: int = 0,
    times: int = 1,
    detail: dict[str, Any] | None = None,
) -> None:
    event = AuditEvent(int(time.time()) - ago, "cmpd", action, "x", outcome, detail or {})

    async def write(store: Store) -> None:
        await store.commit([Audit(event)] * times)

    operator.in_store(write)


def test_a_listener_that_does_not_answer_is_named_and_fails_the_command(operator: Operator) -> None:
    (operator.folder / "cmpd.conf").write_text('[[listen]]\naddress = "127.0.0.1:1"\n')
    answer = operator("status")
    assert answer.status == 1
    assert "127.0.0.1:1" in answer.out
    assert "does not answer" in answer.out


def test_what_was_done_and_refused_lately_is_counted_by_minute(operator: Operator) -> None:
    (operator.folder / "cmpd.conf").write_text('[[listen]]\naddress = "127.0.0.1:1"\n')
    _audit(operator, "certificate.issue", times=3)
    _audit(operator, "certificate.issue", ago=300)
    _audit(operator, "request.refuse", "badPOP", times=2)
    _audit(operator, "request.refuse", "badTime", ago=4000)
    out = operator("status").out
    assert next(line for line in out.splitlines() if line.startswith("issued")).endswith(" 4")
    assert next(line for line in out.splitlines() if line.startswith("refused")).endswith(" 2")
    assert "2 badPOP" in out
    assert "badTime" not in out


def test_refusals_that_a_flood_left_out_of_the_audit_are_counted_too(operator: Operator) -> None:
    (operator.folder / "cmpd.conf").write_text('[[listen]]\naddress = "127.0.0.1:1"\n')
    _audit(operator, "request.refuse", "badMessageCheck", detail={"left_out": 40})
    out = operator("status").out
    assert next(line for line in out.splitlines() if line.startswith("refused")).endswith(" 41")
    assert "41 badMessageCheck" in out


@pytest.mark.parametrize(
    ("counts", "shown"),
    [((0, 0), "        0"), ((0, 8, 1), " █▁      9"), ((1000, 1), "█▁   1001")],
)
def test_a_bar_is_never_empty_where_something_was(counts: tuple[int, ...], shown: str) -> None:
    assert _bars(counts) == shown


def test_what_has_ended_says_so_loudly() -> None:
    assert _days(-3) == "EXPIRED 3 days ago"
