"""The servers under load: `openssl cmp -port`, which is the yardstick, and cmpd; each has its own folder."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench import processes
from tests.support.ports import free_port

REFERENCE = "251069b7-bcc3-4911-b312-04327925a1aa"
PASSWORD = "GTTgcdagW:OGJ73_"
HOST = "127.0.0.1"
START = 30.0
"""Seconds that a server may take to answer its first connection."""
REPOSITORY = Path(__file__).resolve().parent.parent
CMPD = (sys.executable, "-m", "cmpd")


def run(*arguments: str | Path, folder: Path) -> str:
    """Run a command to its end; what it printed. Raises subprocess.CalledProcessError."""
    return subprocess.run(arguments, cwd=folder, check=True, capture_output=True, text=True).stdout


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


class Server:
    """A server process, from the first connection it takes to its end; a context manager."""

    path = "cmp"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What its environment has beside this process's own."""
        return {}

    def credentials(self, protection: str) -> list[str]:
        """Options for cmpload: who it is, and for which key it asks for certificates."""
        raise NotImplementedError

    def __enter__(self) -> Server:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + START
        while not connects(self.port):
            if time.monotonic() > end or self.process.poll() is not None:
                self.__exit__()
                raise SystemExit(f"{type(self).__name__} does not start, see {self.folder / 'log'}")
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError("the server does not run")
        return self.process.pid

    def cpu(self) -> float:
        """Seconds of CPU used so far, by all its processes."""
        return processes.cpu(self.pid)


def _key(name: str, folder: Path) -> None:
    run(
        "openssl",
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
        name,
        folder=folder,
    )


class Mock(Server):
    """OpenSSL's mock server: one thread, one certificate that it hands to everybody, no store."""

    path = "pkix/"

    def __init__(self, folder: Path, protection: str, *, implicit: bool) -> None:
        super().__init__(folder)
        self.protection, self.implicit = protection, implicit
        folder.mkdir()
        (folder / "secret").write_text(PASSWORD + "\n")
        _key("ca.key", folder)
        usage = "keyUsage=critical,keyCertSign,cRLSign"
        command = ("openssl", "req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=CA", "-days", "30")
        run(*command, "-addext", usage, "-out", "ca.pem", folder=folder)
        (folder / "extensions").write_text(
            "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        for name in ("server", "client", "device"):
            _key(f"{name}.key", folder)
            run(
                "openssl",
                "req",
                "-new",
                "-key",
                f"{name}.key",
                "-subj",
                f"/CN={name}",
                "-out",
                "csr",
                folder=folder,
            )
            command = (
                "openssl",
                "x509",
                "-req",
                "-in",
                "csr",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
            )
            run(*command, "-days", "30", "-extfile", "extensions", "-out", f"{name}.pem", folder=folder)

    def command(self) -> list[str]:
        command = ["openssl", "cmp", "-config", "", "-verbosity", "3", "-port", str(self.port)]
        command += ["-rsp_cert", "device.pem"]
        if self.protection == "pbm":
            command += ["-srv_ref", "server", "-srv_secret", "file:secret"]
        else:
            command += ["-srv_cert", "server.pem", "-srv_key", "server.key", "-srv_trusted", "ca.pem"]
        return command + (["-grant_implicitconf"] if self.implicit else [])

    def credentials(self, protection: str) -> list[str]:
        options = ["--newkey", str(self.folder / "device.key")]
        if protection == "pbm":
            return [*options, "--ref", REFERENCE, "--secret", str(self.folder / "secret")]
        names = {"--cert": "client.pem", "--key": "client.key", "--trusted": "ca.pem"}
        return options + [part for name, file in names.items() for part in (name, str(self.folder / file))]


class Cmpd(Server):
    """cmpd with the PKI of `cmpd init --demo`, and a cmpd.conf of defaults but for what `settings` say."""

    def __init__(
        self, folder: Path, settings: dict[str, str] | None = None, wrapper: tuple[str, ...] = CMPD
    ) -> None:
        """`settings`: environment variables such as CMPD_WORKERS. `wrapper`: what runs cmpd."""
        super().__init__(folder)
        self.settings, self.wrapper = settings or {}, wrapper
        if not folder.exists():
            folder.mkdir()
            run(*CMPD, "-c", "cmpd.conf", "init", "--demo", folder=folder)
            (folder / "secret").write_text(PASSWORD + "\n")
        configuration = folder / "cmpd.conf"
        text = configuration.read_text()
        configuration.write_text(re.sub(r'(?m)^address = ".*"', f'address = "{HOST}:{self.port}"', text))

    def command(self) -> list[str]:
        return [*self.wrapper, "-c", "cmpd.conf", "serve"]

    def environment(self) -> dict[str, str]:
        # One end entity begins what a fleet would.
        return {"CMPD_CMP_TRANSACTIONS_PER_PARTY": "0", **self.settings}

    def credentials(self, protection: str) -> list[str]:
        if protection == "pbm":
            return ["--ref", REFERENCE, "--secret", str(self.folder / "secret")]
        if not (self.folder / "client.pem").exists():
            self._enrol("client")
        names = {"--cert": "client.pem", "--key": "client.key", "--trusted": "ca.pem"}
        return [part for name, file in names.items() for part in (name, str(self.folder / file))]

    def _enrol(self, name: str) -> None:
        """A first certificate, that signs the requests for others. The server must run."""
        _key(f"{name}.key", self.folder)
        run(*self.openssl(f"{name}.key", f"{name}.pem"), folder=self.folder)

    def openssl(self, key: str, certificate: str) -> list[str]:
        """The command with which `openssl cmp` gets a first certificate."""
        return [
            *(
                "openssl",
                "cmp",
                "-config",
                "",
                "-cmd",
                "ir",
                "-server",
                f"{HOST}:{self.port}",
                "-path",
                "cmp",
            ),
            *("-ref", REFERENCE, "-secret", "file:secret", "-subject", "/CN=device", "-newkey", key),
            *("-certout", certificate),
        ]
