"""`cmpd status`: one screen, and the same for programs."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from cmpd.cli.status import _bars, _days
from cmpd.clm.model import AuditEvent, TransactionState
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, Audit, OpenTransaction
from tests.cli.conftest import Operator
from tests.support.records import a_certificate, a_transaction


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


def test_a_port_that_somebody_else_answers_at_is_no_daemon(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        (operator.folder / "cmpd.conf").write_text(f'workers = 3\n[[listen]]\naddress = "{address}"\n')
        answer = operator("status")
    assert answer.status == 1
    assert f"{address:<28} answers" in answer.out
    assert "none alive, 3 configured here: start cmpd" in answer.out


def test_what_ends_soon_and_what_waits_is_counted_up_to_a_bound(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())

    async def write(store: Store) -> None:
        await store.commit(
            [AddCertificate(a_certificate(not_after=now + days * 86_400)) for days in (1, 2, 40)]
        )
        await store.commit([OpenTransaction(a_transaction(state=TransactionState.WAITING))])

    operator.in_store(write)
    assert "2 expire within 30 days, 1 requests wait for approval" in operator("status").out
    monkeypatch.setattr("cmpd.server.admin.overview.MOST", 2)
    assert "2 or more expire within 30 days, 1 requests wait" in operator("status").out


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
