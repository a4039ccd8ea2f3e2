"""Many nodes on one database: they hear of changes at once, and each keeps an audit chain of its own."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from cmpd.clm.audit import first_break
from cmpd.clm.store.changes import AddCertificate, Audit, PutObject
from cmpd.clm.store.postgres.store import PostgresStore
from tests.support.postgres import PostgresServer
from tests.support.records import a_certificate, an_event, an_object


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database("cmpd_template")


async def _sees_another_than(before: int, node: PostgresStore, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if await node.change_counter() != before:
            return True
        await asyncio.sleep(0.005)
    return False


async def test_a_change_on_one_node_is_seen_by_all_within_a_second(url: str) -> None:
    nodes = [PostgresStore(url, node=name) for name in ("a", "b", "c")]
    for node in nodes:
        await node.open()
    before = await nodes[0].change_counter()
    await nodes[0].commit([PutObject(an_object())])
    for node in nodes:
        assert await _sees_another_than(before, node, within=1)
    for node in nodes:
        await node.close()


async def test_a_node_that_lost_its_ears_asks_instead(url: str, postgres_server: PostgresServer) -> None:
    deaf, other = PostgresStore(url, node="deaf"), PostgresStore(url, node="other")
    await deaf.open()
    await other.open()
    before = await other.change_counter()
    postgres_server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%configuration%' "
        "AND pid <> pg_backend_pid()"
    )
    await other.commit([PutObject(an_object())])
    assert await _sees_another_than(before, deaf, within=3)
    await deaf.close()
    await other.close()


async def test_a_server_that_took_over_without_the_latest_commits_is_believed(
    url: str, postgres_server: PostgresServer
) -> None:
    """Were the counter read before kept, the configuration would be compiled for each request, and a change
    that counts up to it again not be seen."""
    node = PostgresStore(url)
    await node.open()
    await node.commit([PutObject(an_object())])
    before = (await node.request_state(b"", "")).counter
    assert before == await node.change_counter() > 0
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE counters SET value = value - 1 WHERE name = 'configuration'")
    postgres_server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%configuration%' "
        "AND pid <> pg_backend_pid()"
    )
    assert await _sees_another_than(before, node, within=3)
    assert (await node.request_state(b"", "")).counter == await node.change_counter() == before - 1
    await asyncio.sleep(1)  # by then there is a new connection to hear by
    assert await node.change_counter() == before - 1
    await node.close()


async def test_each_process_of_each_node_has_a_chain_of_its_own_and_takes_up_its_old_one(url: str) -> None:
    nodes = [PostgresStore(url, node=name) for name in ("east", "east", "west")]
    for round_ in range(2):
        for node in nodes:
            await node.open()
        for _ in range(5):
            await asyncio.gather(
                *(node.commit([AddCertificate(a_certificate()), Audit(an_event())]) for node in nodes)
            )
        heads = await nodes[0].audit_heads()
        assert {chain: head.sequence for chain, head in heads.items()} == {
            "east": 5 * (round_ + 1), "east/2": 5 * (round_ + 1), "west": 5 * (round_ + 1)
        }  # fmt: skip
        assert await first_break(nodes[0].audit(), heads) is None
        for node in nodes:
            await node.close()
