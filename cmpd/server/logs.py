"""What is written to standard error: journald's priorities or JSON, one line a request."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmpd.cmp.exchange import Record
    from cmpd.config import LogConfig

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""sd-daemon(3)."""

requests = logging.getLogger("cmpd.request")


class JournalFormatter(logging.Formatter):
    """``<6>text``: journald takes the priority off."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 5)
        if hasattr(record, "fields"):  # a request's line, which is one already
            return f"<{priority}>{record.msg}"
        text = super().format(record)
        return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


class JSONFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        value: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        if fields is None:
            value["message"] = record.getMessage()
        else:
            value.update(fields)
        if record.exc_info:
            value["exception"] = self.formatException(record.exc_info)
        return json.dumps(value)


def set_up(config: LogConfig) -> None:
    """Send all logging to standard error as configured."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # nothing shows them
    handler = logging.StreamHandler(sys.stderr)
    if config.format == "json":
        handler.setFormatter(JSONFormatter())
    elif not sys.stderr.isatty():  # people need no priorities
        handler.setFormatter(JournalFormatter())
    logging.basicConfig(handlers=[handler], level=config.level.upper(), force=True)


def log_request(record: Record, milliseconds: float) -> None:
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
    line = " ".join(
        [f"{name}={value if _is_plain(value) else json.dumps(value)}" for name, value in said.items()]
    )
    # Made by hand: logging would look up the calling line, which takes as long as all the rest.
    entry = logging.LogRecord(requests.name, level, "", 0, line, None, None)
    entry.fields = said
    requests.handle(entry)


_is_plain = re.compile(r"[!#-<>-~]*").fullmatch
"""Printable ASCII without space, quotation mark and equals sign. What a stranger put into any other value
stays on one line, quoted."""
