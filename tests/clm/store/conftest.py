"""The same suite over each engine: a test that takes `store` runs once on each."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import Store
from tests.support.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return server.new_database("cmpd_template")
    path = str(tmp_path / "cmpd.db")
    create_store(path)
    return path


@pytest.fixture
def store(where: str) -> Store:
    """An empty store; open while the test runs."""
    return open_store(where)


@pytest.fixture
def another(where: str) -> Callable[[], Store]:
    """Gives a further `Store`, not open, on the same truth: another process, or another node."""
    return lambda: open_store(where)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are coroutines, with the store they take open."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = inspect.signature(function).parameters
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in names}

    async def run() -> None:
        async with AsyncExitStack() as stack:
            if "store" in arguments:
                await arguments["store"].open()
                stack.push_async_callback(arguments["store"].close)
            await function(**arguments)

    asyncio.run(run())
    return True
