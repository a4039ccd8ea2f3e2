"""What the whole suite shares: no skips where CI=true, and hypothesis at a steady pace."""

from __future__ import annotations

import os
import resource
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from cmpd.clm.store import create_store
from tests.support.postgres import MISSING, PostgresServer, binaries

IN_CI = os.environ.get("CI") == "true"

# Deadlines measure the machine rather than the code, and CI has to give the same verdict twice.
hypothesis.settings.register_profile("cmpd", deadline=None, derandomize=IN_CI)
hypothesis.settings.load_profile("cmpd")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server with a database ``cmpd_template`` that is an empty store."""
    if binaries() is None:
        pytest.skip(MISSING)
    server = PostgresServer()
    try:
        server.start()
        server.execute("CREATE DATABASE cmpd_template")
        create_store(server.url("cmpd_template"))
        yield server
    finally:
        server.remove()


def _allow_many_files() -> None:
    """Tests hold thousands of connections, and start daemons that do; a plain user's soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_allow_many_files()


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    return longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure, unless the test is marked `may_skip` with the reason why it may."""
    report = yield
    expected = item.get_closest_marker("may_skip") is not None or hasattr(report, "wasxfail")
    if IN_CI and report.skipped and not expected:
        report.outcome = "failed"
        report.longrepr = f"CI=true, and this was skipped: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself whole."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI=true, and this was skipped: {_reason(report)}"
    return report
