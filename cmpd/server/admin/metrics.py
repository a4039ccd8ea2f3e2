"""What Prometheus is told: counted by each worker as it happens, read from the store when asked.

Needs prometheus-client (``cmpd[metrics]``). With several workers its multi-process mode is used: each
writes to files of its own in a folder they share, and whoever is asked adds them up.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cmpd.clm.model import TransactionState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import GaugeMetricFamily

    from cmpd.clm.client import Client
    from cmpd.cmp.transaction.exchange import RequestLogEntry

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Upper bounds of the latency histogram's buckets, in seconds."""
DAY = 86400
MOST_PENDING = 10_000
"""Pending approvals that are counted; with more, the number stands for "at least"."""


class MetricsUnavailable(Exception):
    """prometheus-client is not installed."""


@dataclass(frozen=True, slots=True)
class State:
    """What the store says when it is asked; empty where it does not answer."""

    ready: bool = False
    certificates: dict[str, int] = field(default_factory=dict)
    """How many, by state."""
    days_left: dict[tuple[str, str], float] = field(default_factory=dict)
    """(CA, whose certificate) → days until it ends; whose: ``ca``, ``signer``, ``kga`` or ``crl``."""
    pending: int = 0
    """Requests that wait for approval."""
    transactions: int = 0
    """Remembered, at most."""
    transactions_max: int = 0
    """As many as may be; 0: any number."""
    imported_crls: dict[str, float] = field(default_factory=dict)
    """Issuer → days until its imported CRL is out of date."""


async def read_state(client: Client, transactions_max: int) -> State:
    """Ask the store. Raises StoreError."""
    now = client.now()
    days: dict[tuple[str, str], float] = {}
    for authority in await client.authorities():
        ends = {"ca": authority.not_after, "signer": authority.signer.not_after}
        if authority.kga is not None:
            ends["kga"] = authority.kga.not_after
        crls = await client.store.crl_heads(authority.id)
        if crls:
            ends["crl"] = min(crl.next_update for crl in crls)
        days.update({(authority.name, which): (end - now) / DAY for which, end in ends.items()})
    imported = {
        issuer: (end - now) / DAY for issuer, end in (await client.revocations.next_updates()).items()
    }
    pending = await client.store.count_transactions(TransactionState.WAITING, MOST_PENDING)
    counts = await client.store.count_certificates("state")
    return State(True, counts, days, pending, client.quota.remembered, transactions_max, imported)


class Metrics:
    """Counts, and writes down what was counted."""

    def __init__(self) -> None:
        """Raises MetricsUnavailable."""
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise MetricsUnavailable(
                "metrics need prometheus-client, which is not installed: pip install 'cmpd[metrics]'"
            ) from None
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call] # the package leaves it untyped
        self._registry = registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "cmpd_requests",
            "CMP requests by body type, and outcome: the response's status or failInfo.",
            ["request", "outcome"],
            registry=registry,
        )
        self._failures = prometheus.Counter(
            "cmpd_failures",
            "CMP requests answered with a failure, by failInfo.",
            ["fail_info"],
            registry=registry,
        )
        self._retransmissions = prometheus.Counter(
            "cmpd_retransmissions", "Repeated requests that got their response again.", registry=registry
        )
        self._seconds = prometheus.Histogram(
            "cmpd_request_seconds",
            "Time that CMP requests took, by phase, and in total.",
            ["phase"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._refused = prometheus.Gauge(
            "cmpd_http_refused",
            "Connections and requests that got 503 since the worker's start.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._failed_attempts = prometheus.Gauge(
            "cmpd_failed_attempts",
            "Wrong MACs and HTTP Basic passwords since the worker's start.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._connections = prometheus.Gauge(
            "cmpd_connections", "Open connections.", multiprocess_mode="livesum", registry=registry
        )
        self._under_way = prometheus.Gauge(
            "cmpd_requests_under_way",
            "Requests being answered.",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def count(self, record: RequestLogEntry) -> None:
        """A CMP request was answered."""
        outcome = record.fail_info or record.status or record.response
        self._requests.labels(record.request or "unreadable", outcome).inc()
        if record.fail_info:
            self._failures.labels(record.fail_info).inc()
        if record.retransmission:
            self._retransmissions.inc()
        for phase, seconds in record.phases.items():
            self._seconds.labels(phase).observe(seconds)
        self._seconds.labels("total").observe(sum(record.phases.values()))

    def occupy(self, connections: int, requests: int, refused: int, failed_attempts: int) -> None:
        """How many there are now; of the last two, have been."""
        self._connections.set(connections)
        self._under_way.set(requests)
        self._refused.set(refused)
        self._failed_attempts.set(failed_attempts)

    def expose(self, state: State) -> tuple[bytes, bytes]:
        """(content type, all metrics of all workers) in Prometheus' text format."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the package leaves it untyped
        return CONTENT_TYPE_LATEST.encode(), generate_latest(registry) + generate_latest(_of_state(state))


def _of_state(state: State) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

    def family(
        name: str, text: str, labels: list[str], values: Iterable[tuple[list[str], float]]
    ) -> GaugeMetricFamily:
        found = GaugeMetricFamily(name, text, labels=labels)
        for labelled, value in values:
            found.add_metric(labelled, value)
        return found

    class Collector:
        """What `State` says, as gauges."""

        def collect(self) -> Iterator[GaugeMetricFamily]:
            yield family("cmpd_ready", "Whether requests can be served now.", [], [([], float(state.ready))])
            yield family(
                "cmpd_certificates",
                "Certificates in the store, by state.",
                ["state"],
                (([name], count) for name, count in state.certificates.items()),
            )
            yield family(
                "cmpd_expiry_days",
                "Days until the certificates of a CA and its signers, and its latest CRL, run out.",
                ["ca", "of"],
                (([ca, which], days) for (ca, which), days in state.days_left.items()),
            )
            yield family(
                "cmpd_imported_crl_days",
                "Days until the CRLs of other people's CAs are out of date.",
                ["issuer"],
                (([issuer], days) for issuer, days in state.imported_crls.items()),
            )
            yield family(
                "cmpd_pending_approvals", "Requests that wait for approval.", [], [([], state.pending)]
            )
            yield family(
                "cmpd_transactions", "Transactions remembered, at most.", [], [([], state.transactions)]
            )
            yield family(
                "cmpd_transactions_max",
                "As many as may be remembered; 0: any number.",
                [],
                [([], state.transactions_max)],
            )

    registry = CollectorRegistry()
    registry.register(Collector())
    return registry


class SharedFolder:
    """The folder through which the workers' metrics are added up. To be made before they are forked."""

    def __init__(self) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="cmpd-metrics-", dir=os.environ.get("RUNTIME_DIRECTORY")))
        os.environ[FOLDER] = str(self._path)

    def forget(self, pid: int) -> None:
        """A worker ended: its gauges go, what it counted stays."""
        try:
            from prometheus_client import multiprocess
        except ImportError:
            return
        multiprocess.mark_process_dead(pid, str(self._path))  # type: ignore[no-untyped-call] # untyped package

    def remove(self) -> None:
        """The service ends."""
        os.environ.pop(FOLDER, None)
        shutil.rmtree(self._path, ignore_errors=True)
