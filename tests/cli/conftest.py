"""A store with one policy and one API client, and the command line to work on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cmpd.cli import main
from cmpd.clm.model import AuditRecord, ObjectKind, StoredObject
from cmpd.clm.secrets import MasterKey
from cmpd.clm.store import create_store
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import PutObject
from tests.support.stores import in_store

T = TypeVar("T")

POLICY = "ffc0d281-f9df-45cd-a30d-1881cd67012a"
OTHER_POLICY = "0b6f2d0e-2d0b-4b0e-9f0a-6f8f5c0e7a11"


@dataclass(frozen=True)
class CommandResult:
    """What a command gave: exit status, stdout, stderr."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on stderr of a command that failed."""
        assert self.status != 0
        (line,) = self.err.splitlines()
        assert line.startswith("cmpd: ")
        return line


@dataclass(frozen=True)
class Operator:
    """Runs commands on the store in a folder."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> CommandResult:
        self.capsys.readouterr()
        status = main(["-c", str(self.folder / "cmpd.conf"), *words])
        shown = self.capsys.readouterr()
        return CommandResult(status, shown.out, shown.err)

    def in_store(self, work: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
        """Look into the store itself, or prepare it."""
        return in_store(str(self.folder / "cmpd.db"), work)

    def audit(self) -> list[AuditRecord]:
        """The whole audit, oldest first."""

        async def read(store: Store) -> list[AuditRecord]:
            return [one async for one in store.audit()]

        return self.in_store(read)

    @property
    def master_key(self) -> MasterKey:
        return MasterKey.load(self.folder / "master.key")


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    """An operator before a store with two policies and the API client ``cmpd``."""
    (tmp_path / "cmpd.conf").write_text("", "utf-8")
    MasterKey.create(tmp_path / "master.key")
    create_store(str(tmp_path / "cmpd.db"))
    documents = [
        StoredObject(ObjectKind.POLICY, POLICY, "devices", {"ca": "issuing", "template": "device"}),
        StoredObject(ObjectKind.POLICY, OTHER_POLICY, "servers", {"ca": "issuing", "template": "tls-server"}),
        StoredObject(ObjectKind.API_CLIENT, "cmpd", "cmpd", {"default_policy": POLICY}),
    ]

    async def prepare(store: Store) -> None:
        await store.commit([PutObject(one) for one in documents])

    made = Operator(tmp_path, capsys)
    made.in_store(prepare)
    return made


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo store."""
    folder = tmp_path_factory.mktemp("demo")
    assert main(["-c", str(folder / "cmpd.conf"), "init", "--demo"]) == 0
    return folder


@pytest.fixture
def cmpd(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    """Commands on a demo store of the test's own."""
    folder = tmp_path / "demo"
    shutil.copytree(made, folder)
    return Operator(folder, capsys)
