"""`cmpd init`: what it makes, for whom, and that it overwrites nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest
from cryptography import x509

from cmpd.cli import main
from cmpd.config import Config
from tests.support.postgres import PostgresServer

FILES = ("cmpd.conf", "cmpd.db", "master.key", "client.secret", "ca.pem")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cmpd init --demo` makes; for looking only."""
    folder = tmp_path_factory.mktemp("made")
    assert main(["-c", str(folder / "cmpd.conf"), "init", "--demo"]) == 0
    return folder


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_the_daemon_needs_is_there_and_closed_to_others(made: Path) -> None:
    assert {path.name for path in made.iterdir()} >= set(FILES)
    for name in ("cmpd.db", "master.key", "client.secret"):
        assert _mode(made / name) == 0o600, name
    assert _mode(made / "cmpd.conf") & 0o027 == 0


def test_what_was_made_can_be_served(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(made / "cmpd.conf"), "check", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["faults"] == []
    assert any("policy default" in line and "at /cmp," in line for line in findings["serves"])
    assert any("demo" in line for line in findings["warnings"])


def test_the_ca_file_holds_the_issuing_ca_and_its_root(made: Path) -> None:
    issuing, root = x509.load_pem_x509_certificates((made / "ca.pem").read_bytes())
    assert issuing.issuer == root.subject == root.issuer
    issuing.verify_directly_issued_by(root)


def test_without_demo_there_is_no_entity_and_another_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*config, "init"]) == 0
    capsys.readouterr()
    assert main([*config, "entity", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main([*config, "check"]) == 0
    assert "ffc0d281" not in capsys.readouterr().out


@pytest.mark.parametrize("kept", ["cmpd.db", "master.key", "client.secret"])
def test_nothing_is_overwritten(
    made: Path, tmp_path: Path, kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(made / kept, tmp_path / kept)
    before = (tmp_path / kept).read_bytes()
    assert main(["-c", str(tmp_path / "cmpd.conf"), "init"]) == os.EX_CANTCREAT
    (line,) = capsys.readouterr().err.splitlines()
    assert kept in line
    assert (tmp_path / kept).read_bytes() == before
    assert not (tmp_path / "ca.pem").exists()


@pytest.mark.parametrize("address", ["0.0.0.0:8504", "[::]:8504", "unix:/run/cmpd/cmp"])
def test_an_address_that_means_nothing_to_others_is_not_written_into_certificates(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*config, "init", "--listen", address]) == os.EX_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "--url http://HOST:PORT" in line
    assert list(tmp_path.iterdir()) == []
    assert main([*config, "init", "--listen", address, "--url", "http://pki.example"]) == 0
    assert main([*config, "ca", "create", "other", "--subject", "CN=Other"]) == os.EX_USAGE
    assert (
        main([*config, "ca", "create", "other", "--subject", "CN=Other", "--url", "http://pki.example"]) == 0
    )


def test_an_address_from_the_environment_is_heeded_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CMPD_LISTEN_ADDRESS", "0.0.0.0:8504")
    assert main(["-c", str(tmp_path / "cmpd.conf"), "init"]) == os.EX_USAGE
    assert "--url http://HOST:PORT" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_listener_at_every_address_is_known_to_devices_by_the_machine_s_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*config, "init", "--listen", "0.0.0.0:8504", "--url", "http://pki.example"]) == 0
    assert main([*config, "entity", "add", "gate"]) == 0
    assert f"-server {socket.gethostname()}:8504 " in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--listen=127.0.0.1:1", "--state=elsewhere"])
def test_what_would_change_a_configuration_that_is_there_is_refused(
    made: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (made / "cmpd.conf").read_bytes()
    assert main(["-c", str(made / "cmpd.conf"), "init", option]) == os.EX_CANTCREAT
    assert "--listen and --state are for a new one" in capsys.readouterr().err
    assert (made / "cmpd.conf").read_bytes() == before


def test_a_configuration_that_is_there_is_gone_by(tmp_path: Path) -> None:
    (tmp_path / "cmpd.conf").write_text('store = "elsewhere.db"\n', "utf-8")
    assert main(["-c", str(tmp_path / "cmpd.conf"), "init"]) == 0
    assert (tmp_path / "elsewhere.db").exists()
    assert (tmp_path / "cmpd.conf").read_text("utf-8") == 'store = "elsewhere.db"\n'


def test_a_new_configuration_takes_address_and_place_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    words = ["init", "--listen", "[::1]:8600", "--state", str(tmp_path / "state")]
    assert main(["-c", str(tmp_path / "cmpd.conf"), *words]) == 0
    config = Config.load(tmp_path / "cmpd.conf", {})
    assert config.listen[0].address == "[::1]:8600"
    assert config.store == str(tmp_path / "state" / "cmpd.db")
    assert (tmp_path / "state" / "cmpd.db").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.may_skip("as a plain user there is nobody to give to")
def test_what_root_makes_belongs_to_the_owner_of_the_stores_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    words = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*words, "init", "--state", str(state)]) == 0
    assert main([*words, "entity", "add", "gate"]) == 0
    assert {path.stat().st_uid for path in state.iterdir()} == {65534}
    assert (tmp_path / "master.key").stat().st_uid == 0


def test_a_store_in_postgresql_is_named_in_the_configuration_it_makes(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = postgres_server.new_database()
    assert main(["-c", str(tmp_path / "cmpd.conf"), "init", "--store", url]) == 0
    assert Config.load(tmp_path / "cmpd.conf").store == url
    assert not (tmp_path / "cmpd.db").exists()


def test_no_password_is_taken_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = "postgresql://cmpd:sesame@host/cmpd"
    assert main(["-c", str(tmp_path / "cmpd.conf"), "init", "--store", store]) == os.EX_USAGE
    said = capsys.readouterr().err
    assert "?passfile=FILE" in said
    assert "sesame" not in said
    assert not list(tmp_path.iterdir())
