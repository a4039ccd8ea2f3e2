"""What asks for protection and cannot give it is refused, by `cmpd check` and by `cmpd serve` alike."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cmpd.cli import main
from cmpd.config import CMPConfig, Config, ConfigError, ListenConfig, key_names
from cmpd.config.keys import Rule
from cmpd.server import preconditions
from cmpd.server.preconditions import NO_CONDITION, PRECONDITIONS
from tests.support.certificates import self_signed

LISTEN = '[[listen]]\naddress = "127.0.0.1:0"\n'
TLS = f'{LISTEN}tls_certificate = "tls.pem"\ntls_key = "tls-key.pem"\n'

Spoil = Callable[[Path], object]


def _write(name: str, text: str) -> Spoil:
    return lambda folder: (folder / name).write_text(text, "utf-8")


def _configure(text: str) -> Spoil:
    return _write("cmpd.conf", text)


def _open_to_all(name: str, text: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "cmpd.conf").write_text(text, "utf-8")
        (folder / name).chmod(0o644)

    return spoil


def _credential_open_to_all(folder: Path) -> None:
    (folder / "credentials").mkdir()
    shutil.copy(folder / "master.key", folder / "credentials")
    (folder / "credentials" / "master.key").chmod(0o444)
    os.environ["CREDENTIALS_DIRECTORY"] = str(folder / "credentials")


VIOLATIONS: dict[str, dict[str, tuple[Spoil, str]]] = {
    "store": {
        "TLS at a Unix socket": (_configure('store = "postgresql:///db?sslmode=verify-full"'), "Unix socket"),
        "TLS at a Unix socket among hosts": (
            _configure('store = "postgresql://?host=db,/run/postgresql&sslmode=require&dbname=d"'),
            "Unix socket",
        ),
        "a root nobody looks at": (
            _configure('store = "postgresql://db/db?sslrootcert=root.pem"'),
            "sslmode=verify-full",
        ),
    },
    "master_key": {
        "open to others": (_open_to_all("master.key", LISTEN), "chmod 600"),
        "a credential open to others": (_credential_open_to_all, "chmod 400"),
    },
    "client.secret_file": {"open to others": (_open_to_all("client.secret", LISTEN), "chmod 600")},
    "listen.tls_certificate": {
        "without a key": (_configure(f'{LISTEN}tls_certificate = "tls.pem"'), "needs tls_key"),
        "of another key": (
            _configure(f'{LISTEN}tls_certificate = "other.pem"\ntls_key = "tls-key.pem"'),
            "that belong together",
        ),
    },
    "listen.tls_key": {
        "without a certificate": (_configure(f'{LISTEN}tls_key = "tls-key.pem"'), "needs tls_certificate"),
        "open to others": (_open_to_all("tls-key.pem", TLS), "chmod 600"),
    },
    "listen.tls_client_ca": {
        "over plain HTTP": (_configure(f'{LISTEN}tls_client_ca = "tls.pem"'), "needs tls_certificate"),
        "no certificates": (_configure(f'{TLS}tls_client_ca = "cmpd.conf"'), "no certificates in PEM"),
    },
    "listen.tls_client_required": {
        "without CAs": (_configure(f"{TLS}tls_client_required = true"), "needs tls_client_ca"),
        "without TLS": (_configure(f"{LISTEN}tls_client_required = true"), "needs tls_client_ca"),
    },
    "listen.tls_minimum": {
        "over plain HTTP": (_configure(f'{LISTEN}tls_minimum = "1.3"'), "needs tls_certificate"),
    },
    "http.trusted_proxies": {
        "by name": (_configure(f'[http]\ntrusted_proxies = ["proxy.example"]\n{LISTEN}'), "proxy.example"),
    },
    "cmp.message_time_required": {
        "any time": (
            _configure(f"[cmp]\nmessage_time_required = true\ntime_tolerance = 0\n{LISTEN}"),
            "time_tolerance above 0",
        ),
        "a time that outlasts memory": (
            _configure(
                "[cmp]\nmessage_time_required = true\ntime_tolerance = 60\n"
                f"transaction_memory = 119\n{LISTEN}"
            ),
            "at least twice",
        ),
    },
}
CASES = [
    pytest.param(spoil, words, id=f"{key}: {case}")
    for key, cases in VIOLATIONS.items()
    for case, (spoil, words) in cases.items()
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert main(["-c", str(folder / "cmpd.conf"), "init"]) == 0
    for name in ("tls", "other"):
        self_signed(folder, name)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that `cmpd init` makes, and files for TLS, of the test's own."""
    copy = tmp_path / "own"
    shutil.copytree(made, copy)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "")
    return copy


def test_every_key_is_in_the_table_or_said_to_need_nothing() -> None:
    keys = [one.key for one in PRECONDITIONS]
    assert len(keys) == len(set(keys))
    assert sorted([*keys, *NO_CONDITION]) == sorted(key_names(Config))


def test_every_row_has_a_violation_here() -> None:
    assert [one.key for one in PRECONDITIONS] == list(VIOLATIONS)


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize(("spoil", "text"), CASES)
def test_what_cannot_be_given_is_refused_in_one_line_with_78(
    folder: Path, spoil: Spoil, text: str, command: str
) -> None:
    spoil(folder)
    words = [sys.executable, "-m", "cmpd", "-c", str(folder / "cmpd.conf"), command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("cmpd: ")
    assert text in line
    assert done.returncode == os.EX_CONFIG


@pytest.mark.parametrize(("spoil", "words"), CASES)
def test_the_table_alone_refuses_it(folder: Path, spoil: Spoil, words: str) -> None:
    """Neither command has a second place where it looks."""
    spoil(folder)
    with pytest.raises(Exception, match=r".") as refusal:
        preconditions.require(Config.load(folder / "cmpd.conf"))
    assert words in str(refusal.value)


def test_what_has_all_it_needs_is_let_through(folder: Path) -> None:
    config = Config.load(folder / "cmpd.conf")
    listener = ListenConfig(
        tls_certificate=folder / "tls.pem",
        tls_key=folder / "tls-key.pem",
        tls_client_ca=folder / "other.pem",
        tls_client_required=True,
        tls_minimum="1.3",
    )
    guarded = CMPConfig(message_time_required=True)
    preconditions.require(replace(config, listen=(listener, ListenConfig()), cmp=guarded))


def test_a_reload_is_judged_by_what_it_changes(folder: Path) -> None:
    """Not by files that only a start reads, which may be gone by then."""
    (folder / "master.key").unlink()
    config = Config.load(folder / "cmpd.conf")
    preconditions.require_live(config)
    with pytest.raises(ConfigError, match="needs tls_client_ca"):
        preconditions.require_live(replace(config, listen=(ListenConfig(tls_client_required=True),)))
    live = {one.key for one in PRECONDITIONS if one.live}
    assert live == {one.key for one in PRECONDITIONS if not _rule(one.key).restart}


def _rule(name: str) -> Rule:
    """Of a key by its dotted name."""
    *sections, last = name.split(".")
    section: object = Config()
    for one in sections:
        section = getattr(section, one)
        section = section[0] if isinstance(section, tuple) else section
    fields = type(section).__dataclass_fields__  # type: ignore[attr-defined] # every section is a dataclass
    rule: Rule = fields[last].metadata["rule"]
    return rule
