"""Nodes on one PostgreSQL, behind nginx, on this one machine: what each part spends, and what is stored."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import psycopg

from bench import processes
from bench.figures import table
from bench.load import CONFIRMED, load
from bench.servers import CMPD, HOST, PASSWORD, REPOSITORY, Cmpd, Server, run
from tests.support.postgres import PostgresServer

SIZES = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid), (SELECT count(*) FROM certificates)
    FROM pg_class WHERE relname IN ('certificates', 'transactions', 'audit')"""


class Node(Cmpd):
    """One of several on a store; the first one makes it."""

    def __init__(self, folder: Path, url: str, first: Node | None) -> None:
        folder.mkdir()
        if first is None:
            text = (REPOSITORY / "cmpd.conf").read_text()
            (folder / "cmpd.conf").write_text(text.replace('store = "cmpd.db"', f'store = "{url}"'))
            run(*CMPD, "-c", "cmpd.conf", "init", "--demo", folder=folder)
            (folder / "secret").write_text(PASSWORD + "\n")
        else:
            for name in ("cmpd.conf", "master.key", "client.secret", "secret"):
                shutil.copy2(first.folder / name, folder / name)
        super().__init__(folder)


class Balancer(Server):
    """nginx before the nodes: each request to the next one, on connections that are kept."""

    def __init__(self, folder: Path, nodes: list[Node]) -> None:
        super().__init__(folder)
        folder.mkdir()
        self.nodes = nodes
        servers = "".join(f"server {HOST}:{node.port}; " for node in nodes)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"worker_processes 1; pid {folder}/pid; error_log {folder}/log;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; {places}\n"
            f"upstream cmpd {{ {servers} keepalive 64; }}\n"
            f"server {{ listen {HOST}:{self.port}; location / {{ proxy_pass http://cmpd; "
            'proxy_http_version 1.1; proxy_set_header Connection ""; } } }\n'
        )

    def command(self) -> list[str]:
        # A program in /usr/sbin, which is not on every user's path.
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        return [program, "-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"]

    def credentials(self, protection: str) -> list[str]:
        return self.nodes[0].credentials(protection)


def nodes(folder: Path, count: int, most: int = 3) -> dict[str, Any]:
    """Figures for 1, 2, … `most` nodes; all share this machine's cores with client and database."""
    found = {}
    for number in range(1, most + 1):
        database = PostgresServer({"fsync": "on"})
        try:
            found[str(number)] = _measure(folder / str(number), database.start(), number, count)
        finally:
            database.remove()
    rows = [
        (name, *(f"{one[part]:.2f}" for part in ("rate", "nodes", "database", "balancer")))
        for name, one in found.items()
    ]
    heads = ("nodes", "transactions/s", "CPU ms each: nodes", "PostgreSQL", "nginx")
    print(table(heads, rows))
    sizes = found[str(most)]["octets"]
    print(table(("octets for each certificate", "table", "indexes"), [(k, *map(str, v)) for k, v in sizes]))
    return found


def _measure(folder: Path, database: PostgresServer, number: int, count: int) -> dict[str, Any]:
    folder.mkdir()
    url = database.new_database()
    made: list[Node] = []
    for index in range(number):
        made.append(Node(folder / f"node{index}", url, made[0] if made else None))
    with contextlib.ExitStack() as stack:
        for node in made:
            stack.enter_context(node)
        balancer = stack.enter_context(Balancer(folder / "nginx", made))
        options = ("--threads", "16")
        load(balancer, CONFIRMED, 200, *options)
        before = [sum(node.cpu() for node in made), processes.cpu(database.pid)]
        report = load(balancer, CONFIRMED, count, *options)
        after = [sum(node.cpu() for node in made), processes.cpu(database.pid)]
        each = [(end - begin) * 1e3 / count for begin, end in zip(before, after, strict=True)]
        return {
            "rate": report["rate"], "latency_ms": report["latency_ms"],
            "nodes": each[0], "database": each[1], "balancer": report["cpu_ms"], "octets": _sizes(url),
        }  # fmt: skip


def _sizes(url: str) -> list[tuple[str, tuple[int, int]]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(SIZES).fetchall()
    return [(name, (size // total, indexes // total)) for name, size, indexes, total in rows]
