"""The promises of docs/security.md, held against what the server does, and the judge against the table."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmpd.cmp.parties.cells import Granted
from tests.judge.flips import SHADOWED, Place, exercises, flipped, places
from tests.judge.judge import Finding, Judge
from tests.judge.worlds import Court

REQUESTS = 4_000
FOUND_WITHIN = 10_000


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    court = Court(tmp_path_factory.mktemp("court"))
    yield court
    court.close()


@pytest.fixture(scope="module")
def judge(court: Court) -> Judge:
    return Judge(court, random.Random(20_261_127))


def test_nobody_gets_what_was_not_given_and_everybody_what_was(judge: Judge) -> None:
    judge.run(REQUESTS)
    assert min(judge.granted.total(), judge.refused.total()) > REQUESTS // 4


@given(st.randoms(use_true_random=False))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)
def test_no_world_that_hypothesis_makes_breaks_a_promise(judge: Judge, rng: random.Random) -> None:
    Judge(judge.court, rng, judge.base).run(4, a_world=4)


GRANTING = [place for place in places() if isinstance(place.cell, Granted)]


@pytest.mark.parametrize("place", GRANTING, ids=str)
def test_a_granting_cell_that_is_flipped_is_found(judge: Judge, place: Place) -> None:
    with flipped(place), pytest.raises(Finding):
        judge.aim(place.judged, partial(exercises, place), FOUND_WITHIN)


def test_what_nobody_would_see_is_argued() -> None:
    known = {(place.capacity, place.operation) for place in places()}
    assert set(SHADOWED) <= known


@pytest.mark.parametrize("name", ["oracle", "model"])
def test_the_oracle_imports_nothing_of_cmpds(name: str) -> None:
    tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text("utf-8"))
    found = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    allowed = {"__future__", "dataclasses", "re", "tests.judge.model"}
    assert set(found) <= allowed
