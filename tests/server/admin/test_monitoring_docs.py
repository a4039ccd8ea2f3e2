"""docs/monitoring: the page, the dashboard and the alert rules know the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cmpd.cmp.transaction.exchange import RequestLogEntry
from cmpd.cmp.wire.failure import FailInfo
from cmpd.server.admin.metrics import Metrics, State

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"
SERIES = re.compile(r"\bcmpd_\w+")


def _exposed() -> str:
    metrics = Metrics()
    phases = dict.fromkeys(("decode", "verify", "clm", "sign", "commit"), 0.001)
    metrics.count(RequestLogEntry(request="ir", fail_info="badAlg", retransmission=True, phases=phases))
    metrics.occupy(1, 1, 1, 1)
    return metrics.expose(State(True, {"active": 1}, {("issuing", "ca"): 1.0}, 1, 1, 1))[1].decode()


EXPOSED = _exposed()
NAMES = set(SERIES.findall(EXPOSED))


@pytest.mark.parametrize("name", ["README.md", "dashboard.json", "alerts.yml"])
def test_every_metric_that_is_named_exists(name: str) -> None:
    named = set(SERIES.findall((FOLDER / name).read_text("utf-8")))
    assert named
    assert named <= NAMES


def test_every_metric_is_explained_and_on_the_dashboard() -> None:
    families = set(re.findall(r"^# TYPE (\w+)", EXPOSED, re.MULTILINE))
    page = set(re.findall(r"^\| `(cmpd_\w+)`", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE))
    assert page == families
    dashboard = (FOLDER / "dashboard.json").read_text("utf-8")
    assert [name for name in families if name not in dashboard] == []


def test_the_dashboard_is_one_grafana_imports() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    assert all(panel["targets"] and panel["gridPos"] for panel in dashboard["panels"])


def test_the_alert_rules_name_failures_and_phases_that_there_are() -> None:
    rules = (FOLDER / "alerts.yml").read_text("utf-8")
    for kind in re.findall(r'fail_info=~?"([^"]+)"', rules):
        assert set(kind.split("|")) <= set(FailInfo.__members__)
    for phase in re.findall(r'phase="(\w+)"', rules):
        assert f'phase="{phase}"' in EXPOSED
