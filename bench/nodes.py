"""Nodes on one PostgreSQL, behind nginx, on this one machine: what each part spends, and what is stored."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import psycopg

from bench import processes
from bench.figures import Figure, table
from bench.load import CONFIRMED, load
from bench.servers import CMPD, HOST, PASSWORD, REPOSITORY, Cmpd, Server, run
from tests.support.postgres import PostgresServer

PARTS = {
    "rate": "enrolments/s: least / median",
    "nodes": "CPU ms each: nodes",
    "database": "PostgreSQL",
    "balancer": "nginx",
}
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


class Cluster:
    """So many nodes on a database server of their own, behind a balancer of their own."""

    def __init__(self, folder: Path, number: int, stack: contextlib.ExitStack) -> None:
        folder.mkdir()
        self._database = PostgresServer({"fsync": "on"})
        stack.callback(self._database.remove)
        self.url = self._database.start().new_database()
        self._nodes: list[Node] = []
        for index in range(number):
            first = self._nodes[0] if self._nodes else None
            self._nodes.append(Node(folder / f"node{index}", self.url, first))
        for node in self._nodes:
            stack.enter_context(node)
        self._balancer = stack.enter_context(Balancer(folder / "nginx", self._nodes))

    def run(self, count: int) -> dict[str, float]:
        """Enrol; the rate, and milliseconds of CPU that each part spent on one enrolment."""
        before = self._cpu()
        report = load(self._balancer, CONFIRMED, count, "--threads", "16")
        used = [(end - begin) * 1e3 / count for begin, end in zip(before, self._cpu(), strict=True)]
        return {"rate": report["rate"], "nodes": used[0], "database": used[1], "balancer": report["cpu_ms"]}

    def _cpu(self) -> tuple[float, float]:
        return sum(node.cpu() for node in self._nodes), processes.cpu(self._database.pid)


def nodes(folder: Path, runs: int, count: int, most: int = 3) -> dict[str, Any]:
    """Figures for 1, 2, … `most` nodes, in turn; all share this machine's cores with client and database."""
    found: dict[str, dict[str, list[float]]] = {}
    with contextlib.ExitStack() as stack:
        clusters = {
            str(number): Cluster(folder / str(number), number, stack) for number in range(1, most + 1)
        }
        for cluster in clusters.values():
            cluster.run(200)
        for _ in range(runs):
            for name, cluster in clusters.items():
                for part, value in cluster.run(count).items():
                    found.setdefault(name, {}).setdefault(part, []).append(value)
        sizes = _sizes(clusters[str(most)].url)
    rows = [(name, *(str(Figure.of(one[part])) for part in PARTS)) for name, one in found.items()]
    print(table(("nodes", *PARTS.values()), rows))
    ratios = [
        (name, *(str(Figure.of(_ratios(one[part], found["1"][part]))) for part in PARTS))
        for name, one in found.items()
    ]
    print(table(("over one node, in the same turn", *PARTS.values()), ratios))
    print(table(("octets for each certificate", "table", "indexes"), [(k, *map(str, v)) for k, v in sizes]))
    return {"runs": found, "octets": sizes}


def _ratios(values: list[float], base: list[float]) -> list[float]:
    return [value / one for value, one in zip(values, base, strict=True)]


def _sizes(url: str) -> list[tuple[str, tuple[int, int]]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(SIZES).fetchall()
    return [(name, (size // total, indexes // total)) for name, size, indexes, total in rows]
