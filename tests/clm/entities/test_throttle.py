"""Guessing is slow, and no guesser keeps the honest out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.entities import throttle
from cmpd.clm.entities.throttle import CAP, FORGET, FREE, Throttle
from cmpd.networks import network_of

DEVICE, OTHER = "device", "another device"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _throttle() -> tuple[Throttle, Clock]:
    clock = Clock()
    return Throttle(clock), clock


def _guess(watched: Throttle, clock: Clock, times: int, entity: str = DEVICE, peer: str = ELSEWHERE) -> None:
    """Fail as often, each as soon as it is allowed."""
    for _ in range(times):
        clock.now += watched.wait(entity, peer)
        watched.failed(entity, peer)


def test_mistakes_cost_nothing_and_further_ones_twice_as_much_each_up_to_the_cap() -> None:
    watched, clock = _throttle()
    waits = []
    for _ in range(FREE + 9):
        waits.append(watched.wait(DEVICE, HOME))
        clock.now += waits[-1]
        watched.failed(DEVICE, HOME)
    assert waits == [0] * (FREE + 1) + [1, 2, 4, 8, 16, 32, CAP, CAP]


def test_one_address_that_tries_many_entities_is_slowed_down_as_one() -> None:
    watched, _ = _throttle()
    for number in range(FREE + 3):
        watched.failed(f"entity {number}", ELSEWHERE)
    assert watched.wait("entity never tried", ELSEWHERE) == 4
    assert watched.wait("entity never tried", HOME) == 0


def test_many_addresses_that_try_one_entity_are_slowed_down_together() -> None:
    watched, _ = _throttle()
    for number in range(FREE + 3):
        watched.failed(DEVICE, f"192.0.2.{number}")
    assert watched.wait(DEVICE, "198.51.100.1") == 4


def test_an_ipv6_host_does_not_become_another_by_another_address() -> None:
    watched, _ = _throttle()
    for number in range(FREE + 3):
        watched.failed(f"entity {number}", f"2001:db8::{number:x}")
    assert watched.wait(DEVICE, "2001:db8::ffff") == 4
    assert watched.wait(DEVICE, "2001:db8:0:1::ffff") == 0


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_an_ipv6_host_counts_as_its_network(peer: str, network: str) -> None:
    assert network_of(peer) == network


def test_who_proved_the_secret_before_is_not_kept_out_by_others() -> None:
    watched, clock = _throttle()
    watched.succeeded(DEVICE, HOME)
    _guess(watched, clock, 20)
    assert watched.wait(DEVICE, ELSEWHERE) == CAP
    _guess(watched, clock, 20, OTHER, HOME)
    assert watched.wait(DEVICE, HOME) == 0


def test_who_proved_it_before_is_slowed_down_by_failures_of_its_own() -> None:
    watched, clock = _throttle()
    watched.succeeded(DEVICE, HOME)
    _guess(watched, clock, FREE + 3, peer=HOME)
    assert watched.wait(DEVICE, HOME) == 4


def test_a_guesser_who_never_stops_does_not_keep_a_new_device_out_longer_than_the_cap() -> None:
    """The guesser takes each moment at which the entity is free again; the device has its own turn."""
    watched, clock = _throttle()
    _guess(watched, clock, 20)
    waited = watched.wait(DEVICE, HOME)
    assert 0 < waited <= CAP
    until = clock.now + waited
    _guess(watched, clock, 1)  # as soon as may be, so that the entity's count begins anew
    assert watched.wait(DEVICE, HOME) <= max(0.0, until - clock.now)
    clock.now = max(clock.now, until)
    assert watched.wait(DEVICE, HOME) == 0


def test_a_turn_is_good_for_one_try() -> None:
    watched, clock = _throttle()
    _guess(watched, clock, 20)
    clock.now += watched.wait(DEVICE, HOME)
    watched.failed(DEVICE, HOME)
    assert watched.wait(DEVICE, HOME) == CAP


def test_a_success_ends_the_wait() -> None:
    watched, clock = _throttle()
    _guess(watched, clock, 20)
    assert watched.wait(DEVICE, ELSEWHERE) == CAP
    watched.succeeded(DEVICE, ELSEWHERE)
    assert watched.wait(DEVICE, ELSEWHERE) == 0


def test_failures_are_forgotten_after_an_hour() -> None:
    watched, clock = _throttle()
    _guess(watched, clock, 20)
    clock.now += FORGET + 1
    watched.failed(DEVICE, ELSEWHERE)
    assert watched.wait(DEVICE, ELSEWHERE) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans()), max_size=80))
def test_nobody_waits_longer_than_the_cap(tries: list[tuple[str, str, bool]]) -> None:
    watched, clock = _throttle()
    for entity, peer, right in tries:
        wait = watched.wait(entity, peer)
        assert 0 <= wait <= CAP
        clock.now += wait
        if right:
            watched.succeeded(entity, peer)
        else:
            watched.failed(entity, peer)


def test_what_is_remembered_stays_bounded() -> None:
    watched, _ = _throttle()
    for number in range(throttle.MOST + 500):
        watched.failed("one", f"10.0.{number >> 8}.{number & 255}")
        watched.wait("one", f"10.1.{number >> 8}.{number & 255}")
        watched.succeeded(f"entity {number}", HOME)
        watched.failed(f"stranger {number}", ELSEWHERE)
    for kept in (watched._failures, watched._proved, watched._untold):
        assert len(kept) <= throttle.MOST


def test_a_flood_from_many_addresses_takes_no_turn_from_who_waits_and_no_more_than_so_much_memory() -> None:
    watched, clock = _throttle()
    _guess(watched, clock, 20)
    waited = watched.wait(DEVICE, HOME)
    for number in range(throttle.MOST_TURNS - 2):
        watched.wait(DEVICE, f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1")
    clock.now += waited - 1
    _guess(watched, clock, 1)
    assert watched.wait(DEVICE, HOME) <= 1
    clock.now += 1
    assert watched.wait(DEVICE, HOME) == 0
    for number in range(10):
        watched.wait(DEVICE, f"10.0.0.{number}")
    assert len(watched._turns) == throttle.MOST_TURNS


def test_what_is_being_slowed_down_is_not_crowded_out_by_a_flood_of_single_failures() -> None:
    watched, clock = _throttle()
    for number in range(FREE + 20):
        watched.failed(DEVICE, f"192.0.2.{number}")
    clock.now += 1
    for number in range(throttle.MOST):
        watched.failed(f"stranger {number}", f"10.0.{number >> 8}.{number & 255}")
    assert watched.wait(DEVICE, HOME) == CAP - 1


def test_what_a_stranger_sends_takes_no_more_room_than_any_other_name() -> None:
    watched, _ = _throttle()
    watched.failed("x" * 100_000, "y" * 100_000)
    assert {len(key) for key in watched._failures} == {16}
