"""Looking on: every message shown in readable form, or kept in a folder (`cmpd serve -v`, `--dump DIR`).

What is kept is what went over the wire, so no secret is in it that the wire did not show: HTTP
credentials are left out, and shared secrets never travel.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # what was asked for is shown, whatever `log.level` says

Show = Callable[[bytes], str]
"""A PKIMessage's DER in readable form."""


@dataclass(frozen=True, slots=True)
class MessageTrace:
    """What an operator asked to see beside the log."""

    show: Show | None = None
    """Makes messages readable; None: they are not shown."""
    folder: Path | None = None
    """Where messages are kept; None: nowhere."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def write(self, transaction: str, request: bytes, response: bytes) -> None:
        """One exchange. `transaction`: the transactionID in hexadecimal."""
        if self.show is None and self.folder is None:
            return
        stamp = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{next(self._numbers):06}"
        for kind, der in (("request", request), ("response", response)):
            if self.show is not None:
                log.info("%s\n%s", kind, self.show(der))
            if self.folder is not None:
                self._keep(self.folder / f"{stamp}-{transaction[:32] or 'none'}-{kind}.der", der)

    def _keep(self, path: Path, der: bytes) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, no path
                file.write(der)
        except OSError as error:
            log.warning("%s could not be kept: %s", path, error.strerror)
