"""Times as they are written, from seconds since the epoch: a leaf."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_text(seconds: int) -> str:
    """UTC in ISO 8601, to the second: ``2026-01-31T12:00:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def x509_time(seconds: int) -> datetime:
    """What the builders of `cryptography` take: UTC, without saying so."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def seconds_of(moment: datetime) -> int:
    """Seconds since the epoch of a time in UTC, as `cryptography` gives those of certificates."""
    return int(moment.replace(tzinfo=UTC).timestamp())
