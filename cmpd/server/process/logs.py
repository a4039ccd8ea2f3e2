"""What is written to standard error: journald's priorities or JSON, one line a request."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from cmpd.cmp.transaction.exchange import RequestLogEntry
    from cmpd.config import LogConfig

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""sd-daemon(3)."""

requests = logging.getLogger("cmpd.request")


class JournalFormatter(logging.Formatter):
    """``<6>text``: journald takes the priority off."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 5)
        text = super().format(record)
        return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


class JSONFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        said = {"message": record.getMessage()}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json_line(record.created, record.levelno, record.name, said)


def json_line(when: float, level: int, logger: str, said: dict[str, str]) -> str:
    """A JSON object; `when` in seconds since the epoch."""
    value = {
        "time": datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(level).lower(),
        "logger": logger,
    }
    return json.dumps(value | said)


def pairs(said: dict[str, str]) -> str:
    """``name=value`` for each; what a peer put into a value stays on one line."""
    return " ".join(
        [f"{name}={value if _is_plain(value) else json.dumps(value)}" for name, value in said.items()]
    )


_is_plain = re.compile(r"[!#-<>-~]*").fullmatch
"""Printable ASCII without space, quotation mark and equals sign."""

Form = Callable[[int, dict[str, str]], str]
"""A request's line from its level and what is to be said."""


def _for_people(level: int, said: dict[str, str]) -> str:
    return pairs(said)


def _for_journald(level: int, said: dict[str, str]) -> str:
    return f"<{PRIORITIES[level]}>{pairs(said)}"


def _as_json(level: int, said: dict[str, str]) -> str:
    return json_line(time.time(), level, requests.name, said)


@dataclass(slots=True)
class RequestLog:
    """Writes the lines of requests. They do not pass through `logging`, which takes longer than making
    them."""

    stream: TextIO | None = None
    form: Form = _for_people

    def write(self, level: int, said: dict[str, str]) -> None:
        if self.stream is not None:
            with contextlib.suppress(OSError):  # a log that cannot be written must not fail a request
                self.stream.write(self.form(level, said) + "\n")


_request_log = RequestLog()


def set_up(config: LogConfig) -> None:
    """Send all logging to standard error as configured."""
    handler = logging.StreamHandler(sys.stderr)
    form = _for_people  # who needs no priorities
    if config.format == "json":
        handler.setFormatter(JSONFormatter())
        form = _as_json
    elif not sys.stderr.isatty():
        handler.setFormatter(JournalFormatter())
        form = _for_journald
    logging.basicConfig(handlers=[handler], level=config.level.upper(), force=True)
    logging.captureWarnings(True)  # what libraries warn of has a priority, too
    _request_log.stream, _request_log.form = sys.stderr, form


def log_request(record: RequestLogEntry, milliseconds: float) -> None:
    """The line of one CMP exchange."""
    level = logging.WARNING if record.fail_info in ("systemFailure", "systemUnavail") else logging.INFO
    if not requests.isEnabledFor(level):
        return
    said = {
        name: value
        for name, value in (
            ("peer", record.peer),
            ("transaction", record.transaction),
            ("request", record.request),
            ("response", record.response),
            ("entity", record.entity),
            ("by", record.party),
            ("policy", record.policy),
            ("status", record.status),
            ("failInfo", record.fail_info),
            ("serial", record.serial),
            ("text", record.text),
            ("detail", record.detail),
            ("retransmission", "yes" if record.retransmission else ""),
            ("ms", f"{milliseconds:.1f}"),
        )
        if value
    }
    _request_log.write(level, said)
