"""A real daemon with a demo PKI in a folder of its own, and the real clients that talk to it.

Everything here runs the programs a user runs: `cmpd` from the environment the tests run in, and the
`openssl` on the path. Nothing reaches into the daemon's process.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509

from cmpd.clm.model import Certificate, ObjectKind, StoredObject
from cmpd.clm.store.base import CertificateQuery, Store
from cmpd.clm.store.changes import PutObject
from tests.support.ports import free_port
from tests.support.stores import in_store

T = TypeVar("T")

DEMO_ENTITY = "251069b7-bcc3-4911-b312-04327925a1aa"
DEMO_PASSWORD = "GTTgcdagW:OGJ73_"
DEMO_POLICY = "ffc0d281-f9df-45cd-a30d-1881cd67012a"
DEMO_SUBJECT = "/CN=User/O=MTG/C=DE"

PROJECT = Path(__file__).parents[2]

START = 20.0
STOP = 20.0
CLIENT = 30.0


@dataclass(frozen=True)
class Run:
    """How a program ended: its status, and all it printed."""

    status: int
    output: str
    stdout: str = ""

    def __contains__(self, text: str) -> bool:
        return text in self.output


def run(command: Sequence[str | Path], cwd: Path, stdin: str | None = None, timeout: float = CLIENT) -> Run:
    """Run a program to its end; stderr and stdout come back together, stdout also alone."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Run(done.returncode, done.stderr + done.stdout, done.stdout)


@functools.cache
def openssl_version() -> tuple[int, int]:
    """Of the `openssl` on the path: major and minor."""
    said = re.match(r"OpenSSL (\d+)\.(\d+)", run(["openssl", "version"], Path.cwd()).stdout)
    assert said
    return int(said[1]), int(said[2])


@functools.cache
def _demo() -> Path:
    """What `cmpd init --demo` makes, made once a process and copied, since it takes its time."""
    folder = Path(tempfile.mkdtemp(prefix="cmpd-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = Daemon(folder).cmpd("init", "--demo")
    assert done.status == 0, done.output
    return folder


@dataclass
class Daemon:
    """One `cmpd serve` on a port of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    """Of `cmpd serve`."""
    launcher: Sequence[str] = ()
    """A command that runs the daemon, such as one that hands over sockets; it has to become it (exec)."""
    descriptors: Sequence[int] = ()
    """File descriptors that it inherits."""

    @property
    def store(self) -> str:
        """Where its store is: a path or a URL."""
        where: str = tomllib.loads(self.config.read_text("utf-8"))["store"]
        return where if "://" in where else str(self.folder / where)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "cmpd.conf"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def cmpd(self, *words: str | Path, stdin: str | None = None) -> Run:
        """Run a cmpd command with this daemon's configuration."""
        return run([sys.executable, "-m", "cmpd", "-c", self.config, *words], self.folder, stdin)

    def json(self, *words: str | Path) -> Any:
        """What a cmpd command prints with --json."""
        done = self.cmpd(*words, "--json")
        assert done.status == 0, done.output
        return json.loads(done.stdout)

    def init(self, store: str | None = None, *words: str) -> None:
        """Lay down the demo PKI, in a store of its own or this one, and listen on a port of its own.
        `words`: further ones for `cmpd init`, where the store is given."""
        if store is None:
            shutil.copytree(_demo(), self.folder, dirs_exist_ok=True)
        else:
            done = self.cmpd("init", "--demo", "--store", store, *words)
            assert done.status == 0, done.output
        self.configure("127.0.0.1:8504", self.address)

    def join(self, other: Daemon) -> None:
        """Become another node on the other's store."""
        for name in ("cmpd.conf", "master.key", "client.secret", "ca.pem"):
            shutil.copy2(other.folder / name, self.folder / name)
        self.configure(other.address, self.address)

    def configure(self, old: str, new: str) -> None:
        """Replace a piece of the configuration file."""
        text = self.config.read_text("utf-8")
        assert old in text, f"{old!r} is not in cmpd.conf"
        self.config.write_text(text.replace(old, new), "utf-8")

    def start(self) -> None:
        """Start serving, and wait until it says that it does: a connection alone may be taken by another.

        Raises AssertionError, with the log, where it ends instead.
        """
        name = f"cmpd-{uuid.uuid4()}"
        with (
            (self.folder / "log").open("ab") as log,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told,
        ):
            told.bind(f"\0{name}")
            told.settimeout(0.05)
            self.process = subprocess.Popen(
                [
                    *(*self.launcher, sys.executable, "-m", "cmpd"),
                    *("-c", str(self.config), "serve", *self.arguments),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": f"@{name}", **self.environment},
                pass_fds=self.descriptors,
            )
            deadline = time.monotonic() + START
            while not self._is_ready(told):
                status = self.process.poll()
                assert status is None, f"cmpd serve at {self.address} ended with {status}:\n{self.log}"
                assert time.monotonic() < deadline, (
                    f"cmpd serve at {self.address} is not ready after {START} s:\n{self.log}"
                )

    def _is_ready(self, told: socket.socket) -> bool:
        """Whether it has said so, or, where a test listens to that itself, takes a connection."""
        try:
            if "NOTIFY_SOCKET" in self.environment:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            return told.recv(4096).startswith(b"READY=1")
        except OSError:
            time.sleep(0.02)
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; gives its exit status (negative: the signal that ended it)."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"cmpd serve did not stop within {STOP} s:\n{self.log}") from None

    def hang_up(self, said: str) -> None:
        """Have it read its configuration again once it serves, and wait until it has said so."""
        assert self.process is not None
        self.logs("serving CMP")
        self.process.send_signal(signal.SIGHUP)
        self.logs(said)

    def logs(self, said: str) -> None:
        """Wait until that is in its log."""
        deadline = time.monotonic() + START
        while said not in self.log:
            assert time.monotonic() < deadline, f"{said!r} is not in:\n{self.log}"
            time.sleep(0.02)

    def with_store(self, work: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
        """Work on the store beside the running daemon."""
        return in_store(self.store, work)

    def put_policy(self, name: str, **document: Any) -> str:
        """A new policy like the default one, but for `document`; gives its UUID."""
        id = str(uuid.uuid4())
        policy = StoredObject(
            ObjectKind.POLICY, id, name, {"ca": "issuing", "template": "device", **document}
        )

        async def put(store: Store) -> None:
            await store.commit([PutObject(policy)])

        self.with_store(put)
        return id

    def certificates(self, query: CertificateQuery | None = None) -> list[Certificate]:
        """What the store holds, in order of issue; read beside the running daemon."""

        async def read(store: Store) -> list[Certificate]:
            return [one async for one in store.certificates(query or CertificateQuery())]

        return self.with_store(read)

    def standing(self, certificate: x509.Certificate) -> str:
        """The state of a certificate in the store, by its serial number."""
        states = [one.state for one in self.certificates() if one.serial == certificate.serial_number]
        assert len(states) == 1, f"{len(states)} certificates with serial {certificate.serial_number:x}"
        return str(states[0])


@dataclass(frozen=True)
class Device:
    """A folder with a client's keys and certificates, and `openssl` to use them."""

    folder: Path
    daemon: Daemon

    def key(self, kind: str = "EC:P-256", name: str = "key.pem") -> Path:
        """Make a private key: ``EC:<curve>``, ``RSA:<bits>``, ``ED25519`` or ``ED448``."""
        algorithm, _, parameter = kind.partition(":")
        option = {"EC": "ec_paramgen_curve", "RSA": "rsa_keygen_bits"}.get(algorithm)
        options = ["-pkeyopt", f"{option}:{parameter}"] if option else []
        self.openssl("genpkey", "-algorithm", algorithm, *options, "-out", name)
        return self.folder / name

    def openssl(self, *words: str | Path) -> Run:
        """Run an openssl command that has to work."""
        done = run(["openssl", *words], self.folder)
        assert done.status == 0, done.output
        return done

    def cmp(self, command: str, *options: str | Path, path: str = "cmp", secret: bool = True) -> Run:
        """Run `openssl cmp`, as the demo entity with its password unless `secret` is false.

        What is asked of a new certificate comes in with `options`; the certificate goes to cert.pem.
        """
        words: list[str | Path] = ["openssl", "cmp", "-cmd", command, "-server", self.daemon.address]
        words += ["-path", path]
        if secret:
            words += ["-ref", DEMO_ENTITY, "-secret", f"pass:{DEMO_PASSWORD}"]
        return run([*words, *options], self.folder)

    def request(self, command: str, *options: str | Path, path: str = "cmp", key: str = "key.pem") -> Run:
        """`openssl cmp` for a new certificate of the usual subject over the key, protected by `options`."""
        usual = ["-newkey", key, "-subject", DEMO_SUBJECT, "-certout", "cert.pem"]
        return self.cmp(command, *usual, *options, path=path, secret=False)

    def enrol(
        self, command: str = "ir", *options: str | Path, path: str = "cmp", key: str = "key.pem"
    ) -> Run:
        """`request` by the demo entity with its password; the key is made if need be."""
        if not (self.folder / key).exists():
            self.key(name=key)
        secret = ["-ref", DEMO_ENTITY, "-secret", f"pass:{DEMO_PASSWORD}"]
        return self.request(command, *secret, *options, path=path, key=key)

    def signed(self, command: str, *options: str | Path, identity: str = "cert", path: str = "cmp") -> Run:
        """`openssl cmp` with signatures: IDENTITY.pem and its key sign, the CA is trusted for answers.

        The key is key.pem for cert.pem, IDENTITY-key.pem for any other.
        """
        key = "key.pem" if identity == "cert" else f"{identity}-key.pem"
        words = ["-cert", f"{identity}.pem", "-key", key, "-trusted", str(self.daemon.folder / "ca.pem")]
        return self.cmp(command, *words, *options, path=path, secret=False)

    def update(self, *options: str | Path, identity: str = "cert", kind: str = "EC:P-256") -> Run:
        """A key update of the identity's certificate: new-key.pem, new.pem."""
        self.key(kind, "new-key.pem")
        return self.signed(
            "kur", "-newkey", "new-key.pem", "-certout", "new.pem", *options, identity=identity
        )

    def certificate(self, name: str = "cert.pem") -> x509.Certificate:
        """The certificate that came out."""
        return x509.load_pem_x509_certificate((self.folder / name).read_bytes())

    def verify(self, name: str = "cert.pem") -> Run:
        """`openssl verify` against the CA that `cmpd init` wrote."""
        return run(["openssl", "verify", "-CAfile", self.daemon.folder / "ca.pem", name], self.folder)


def cmp_trace(done: Run) -> list[str]:
    """The message types of an `openssl cmp` run, in order, as its info lines name them."""
    return re.findall(r"CMP info: (?:sending|received) ([A-Z]\w+)", done.output)


def have(program: str) -> bool:
    """Whether the program is on the path."""
    return shutil.which(program) is not None
