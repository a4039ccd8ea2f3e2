"""Whether CAs are in their time. Outside of it they issue nothing, so operators hear of it before devices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cmpd.times import utc_text

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority


class OutOfTime(Exception):
    """A CA is not valid now; the text is one line: which, since when, what to do."""


class Expired(OutOfTime):
    """It has ended: somebody has to act."""


class NotBegun(OutOfTime):
    """It has not begun by this machine's clock, which may be about to be set."""


def fault_of(authority: Authority, time: int) -> OutOfTime | None:
    """Why the CA can issue nothing at `time` (seconds since the epoch); None where it can."""
    if time < authority.not_before:
        return NotBegun(
            f"CA {authority.name} begins at {utc_text(authority.not_before)}, but this machine's clock says "
            f"{utc_text(time)}: set the clock"
        )
    if time >= authority.not_after:
        return Expired(
            f"CA {authority.name} expired at {utc_text(authority.not_after)}: "
            f"`cmpd ca rollover {authority.name}` makes the next one"
        )
    return None


def faults_of_some(authorities: Iterable[Authority], time: int) -> list[OutOfTime]:
    """The faults of CAs, where others among them can issue. Raises the first where none can."""
    every = {one.id: one for one in authorities}
    faults = [fault for one in every.values() if (fault := fault_of(one, time))]
    if faults and len(faults) == len(every):
        raise faults[0]
    return faults
