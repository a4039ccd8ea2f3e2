"""A PostgreSQL server of the tests' own, from the binaries on the machine, on a free port of 127.0.0.1."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

OLDEST = 15
_STARTING = 30.0


def binaries() -> Path | None:
    """The newest installed PostgreSQL's programs, Debian's way or on the PATH, or those in the folder that
    $POSTGRES_BIN names; None without any."""
    if chosen := os.environ.get("POSTGRES_BIN"):
        return Path(chosen)
    versions = Path("/usr/lib/postgresql")
    found = [path for path in versions.glob("*/bin/initdb") if path.parts[-3].isdecimal()]
    suited = [path for path in found if int(path.parts[-3]) >= OLDEST]
    if suited:
        return max(suited, key=lambda path: int(path.parts[-3])).parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


MISSING = "no PostgreSQL 15 or later is installed (apt-get install postgresql)"


def _unprivileged() -> dict[str, object]:
    """PostgreSQL will not run as root: as whom it runs where the tests do."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("neither a user postgres nor a user nobody to run PostgreSQL as")


class PostgresServer:
    """Runs between `start` and `stop`; its superuser is ``postgres``, with any password."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        programs = binaries()
        if programs is None:
            raise RuntimeError(MISSING)
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="cmpd-postgres-"))
        self._identity = _unprivileged()
        if self._identity:
            os.chown(self._directory, int(str(self._identity["user"])), int(str(self._identity["group"])))
        # Not the tests' own home, where this user may not look for certificates and passwords.
        self._environment = {**os.environ, "HOME": str(self._directory)}
        self._settings = {"fsync": "off", "max_connections": "200", **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = itertools.count(1)
        self.port = free_port()

    def start(self) -> PostgresServer:
        """Make the cluster if there is none yet, start it, and wait until it answers."""
        data = self._directory / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N")
        arguments = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", data, "-p", str(self.port), "-k", self._directory,
                 "-h", "127.0.0.1", *arguments],
                stdout=log, stderr=log, cwd="/", env=self._environment, **self._identity,  # type: ignore[call-overload]  # user, group
            )  # fmt: skip
        self._await_answer()
        return self

    def certify(self) -> Path:
        """Speak TLS, with a certificate for 127.0.0.1 that clients are to trust; before `start`."""
        certificate, key = self._directory / "server.pem", self._directory / "server-key.pem"
        new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        named = ("-subj", "/CN=database", "-addext", "subjectAltName=IP:127.0.0.1")
        self._run("/usr/bin/env", "openssl", *new, *named, "-keyout", str(key), "-out", str(certificate))
        self._settings |= {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
        return certificate

    def standby(self, user: str = "postgres") -> PostgresServer:
        """A second server, started, that follows this one; its commits wait for it from then on."""
        follower = PostgresServer(self._settings)
        origin, data = self.url(user=user), follower._directory / "data"
        self._run("pg_basebackup", "-d", origin, "-D", str(data), "-R", "-c", "fast")
        follower.start()
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")
        return follower

    def await_replay_of(self, database: str) -> None:
        """Wait until a standby has that database: what it has received it replays when it comes to it."""
        query = f"SELECT count(*) FROM pg_database WHERE datname = '{database}'"
        for _ in range(600):
            if self.value(query):
                return
            time.sleep(0.05)
        raise TimeoutError(f"the standby never had the database {database}")

    def promote(self) -> None:
        """Make a standby the primary."""
        self.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.execute("SELECT pg_promote()")

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT ends it at once, as a crash would; SIGINT orderly."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """Stop it and delete its files."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Of the process that all others are children of."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """How to reach a database of it."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the superuser, outside of a transaction."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def value(self, query: str, database: str = "postgres") -> Any:
        """The first column of the first row that a query gives the superuser."""
        import psycopg

        with psycopg.connect(self.url(database)) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def new_database(self, template: str = "template0") -> str:
        """Make a database, a copy of the template; gives its URL."""
        name = f"test_{next(self._databases)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def demand(self, rules: Sequence[str]) -> None:
        """Let in by these lines of pg_hba.conf, and the superuser by any password."""
        lines = ["host all postgres all trust", "local all postgres trust", *rules]
        (self._directory / "data" / "pg_hba.conf").write_text("\n".join(lines) + "\n", "utf-8")
        before = self.value("SELECT pg_conf_load_time()")
        self.execute("SELECT pg_reload_conf()")
        while self.value("SELECT pg_conf_load_time()") == before:
            time.sleep(0.01)

    def log(self) -> str:
        """What the server has to say."""
        return (self._directory / "log").read_text("utf-8", "replace")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            check=False, capture_output=True, text=True, cwd="/",
            env=self._environment, **self._identity,  # type: ignore[call-overload]  # as above
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")

    def _await_answer(self) -> None:
        import psycopg

        deadline = time.monotonic() + _STARTING
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert self._process is not None
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}") from None
                time.sleep(0.05)
