"""A world for each module of tests, and one for a test that changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cmp.world import World

MakeWorld = Callable[..., World]


def _worlds(folder: Callable[[], Path]) -> Iterator[MakeWorld]:
    made: list[World] = []

    def make(policy: dict[str, Any] | None = None, **settings: Any) -> World:
        made.append(World(folder(), policy, settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One that the module's tests share."""
    worlds = _worlds(lambda: tmp_path_factory.mktemp("world"))
    yield next(worlds)()
    next(worlds, None)


@pytest.fixture
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeWorld]:
    """`make_world(policy, **settings)`: one of the test's own."""
    yield from _worlds(lambda: tmp_path_factory.mktemp("world"))
