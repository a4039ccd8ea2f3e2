"""What strangers fail at is written down, and does not fill the disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.entities.audit_rate_limit import BURST, INTERVAL, AuditRateLimit


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_now_and_then_are_all_written_down() -> None:
    clock = Clock()
    allowance = AuditRateLimit(clock)
    for _ in range(10 * BURST):
        assert allowance.take() == 0
        clock.now += INTERVAL


def test_of_a_flood_the_beginning_is_written_down_then_a_sample_that_says_how_many_were_left_out() -> None:
    clock = Clock()
    allowance = AuditRateLimit(clock)
    assert [allowance.take() for _ in range(BURST + 500)] == [0] * BURST + [None] * 500
    clock.now += INTERVAL
    assert allowance.take() == 500
    assert allowance.take() is None


@given(st.lists(st.floats(0, 100), max_size=400))
def test_no_failure_is_lost_from_the_count_and_no_time_gives_more_than_its_share(pauses: list[float]) -> None:
    clock = Clock()
    allowance = AuditRateLimit(clock)
    written = left_out = 0
    for pause in pauses:
        clock.now += pause
        taken = allowance.take()
        if taken is not None:
            written += 1
            left_out += taken
    clock.now += INTERVAL
    last = allowance.take()
    assert last is not None
    assert written + left_out + last == len(pauses)
    assert written <= BURST + clock.now / INTERVAL
