"""How long a certificate is valid, and what a request may do about it (RFC 4211, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

from cmpd.clm.refusal import Deviations, RequestRefused
from cmpd.clm.settings import DURATION, choice, optional, setting

NOT_BEFORE = "validity.notBefore"
NOT_AFTER = "validity.notAfter"
CLOCK_SKEW = 300
"""Seconds a requester's clock may be behind when it asks for a validity that begins now."""


@dataclass(frozen=True, slots=True)
class ValidityRules:
    """Bounds of validity, in seconds."""

    longest: int | None = setting(optional(DURATION), None)
    """Longest time from notBefore to notAfter; absent: as long as template and CA let it be."""
    requested_validity: str = setting(choice("grant", "shorten", "ignore"), "grant", formerly=("wish",))
    """``grant``: what is asked, within the bounds; ``shorten``: an earlier end than the template's, no more;
    ``ignore``: the template's validity whatever is asked, without a word."""
    start_ahead: int = setting(DURATION, 30 * 86400)
    """How far ahead of now a granted notBefore may lie."""

    def apply(
        self,
        asked: tuple[int | None, int | None],
        *,
        now: int,
        backdate: int,
        duration: int,
        ca: tuple[int, int],
        deviations: Deviations,
    ) -> tuple[int, int]:
        """(notBefore, notAfter) from the (notBefore, notAfter) asked, the template's backdating and
        duration, and the CA's own validity; never outside the CA's. Raises RequestRefused."""
        first, last = asked if self.requested_validity != "ignore" else (None, None)
        start = self._start(first, now, backdate, deviations)
        start = max(start, ca[0])
        end = self._end(last, start, max(start, now) + duration, ca[1], deviations)
        if end <= max(start, now):
            raise RequestRefused(NOT_AFTER, "the certificate would have ended before it began")
        return start, end

    def _start(self, first: int | None, now: int, backdate: int, deviations: Deviations) -> int:
        if first is None:
            return now - backdate
        earliest = now - max(backdate, CLOCK_SKEW)
        if self.requested_validity == "shorten" and not earliest <= first <= now:
            deviations.found(NOT_BEFORE, "the policy sets when the validity begins")
            return now - backdate
        if first < earliest:
            deviations.found(NOT_BEFORE, "lies further back than allowed")
            return now - backdate
        if first > now + self.start_ahead:
            deviations.found(NOT_BEFORE, "lies further ahead than allowed")
            return now
        return first

    def _end(self, last: int | None, start: int, usual: int, ca_end: int, deviations: Deviations) -> int:
        bound = ca_end if self.longest is None else min(ca_end, start + self.longest)
        if last is None:
            return min(usual, bound)
        if self.requested_validity == "shorten":
            bound = min(bound, usual)
        if last > bound:
            deviations.found(NOT_AFTER, "lies later than allowed")
            return bound
        return last
