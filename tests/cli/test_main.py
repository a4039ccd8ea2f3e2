"""The command line's frame: what every command has in common."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cmpd.cli
from cmpd.cli import COMMANDS, main
from cmpd.cli.common import STATUSES

CLI = Path(cmpd.cli.__file__).parent


def _status(argv: list[str]) -> int:
    """The exit status, whether the command returns it or argparse leaves with it."""
    try:
        return main(argv)
    except SystemExit as end:
        return int(end.code or 0)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [noun for noun in COMMANDS if noun not in shown] == []


@pytest.mark.parametrize("name", STATUSES)
def test_every_exception_with_an_exit_status_is_where_its_name_says(name: str) -> None:
    """They are named, not imported: one that moved would end in a traceback."""
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


@pytest.mark.parametrize("noun", COMMANDS)
def test_every_command_has_help_of_its_own(noun: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _status([noun, "--help"]) == 0
    assert f"cmpd {noun}" in capsys.readouterr().out


def test_every_module_of_a_noun_is_listed_and_every_listed_noun_has_a_module() -> None:
    with_register = {
        path.stem
        for path in CLI.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "register"
            for node in ast.parse(path.read_text()).body
        )
    }
    assert with_register == set(COMMANDS)


def test_help_comes_at_once() -> None:
    """Its CPU time, since what else runs on the machine must not count."""
    best = 1.0
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, "-m", "cmpd", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        best = min(
            best, after.children_user + after.children_system - before.children_user - before.children_system
        )
    assert best < 0.1


@pytest.mark.parametrize("argv", [["nonsense"], [], ["entity"], ["entity", "nonsense"], ["--nonsense"]])
def test_a_wrong_command_line_is_a_usage_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(argv) == os.EX_USAGE
    assert capsys.readouterr().err.startswith("usage: cmpd")


def test_no_configuration_at_all_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CMPD_CONF", raising=False)
    monkeypatch.setattr("cmpd.cli.common.PLACES", (Path("cmpd.conf"), tmp_path / "etc" / "cmpd.conf"))
    assert main(["entity", "list"]) == os.EX_CONFIG
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cmpd: no configuration")
    assert "-c FILE" in line


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_named_configuration_that_is_not_there_is_said_in_one_line(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.conf")
    monkeypatch.setenv("CMPD_CONF", missing if by == "environment" else "other.conf")
    argv = ["-c", missing] if by == "option" else []
    assert main([*argv, "entity", "list"]) == os.EX_CONFIG
    (line,) = capsys.readouterr().err.splitlines()
    assert missing in line


def test_an_error_nobody_foresaw_is_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: object) -> Path:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("cmpd.cli.common.config_path", fail)
    assert main(["entity", "list"]) == os.EX_SOFTWARE
    (line,) = capsys.readouterr().err.splitlines()
    assert "nobody foresaw this" in line


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m cmpd --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (PermissionError(13, "Permission denied", "/etc/cmpd"), "/etc/cmpd: Permission denied; run the"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (FileNotFoundError(2, "No such file or directory", "x/y"), "x/y: No such file or directory"),
    ],
)
def test_what_the_system_refuses_is_told_in_words(
    raised: OSError,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*words: object) -> None:
        raise raised

    monkeypatch.setattr("cmpd.cli.common.load_config", refuse)
    assert main(["status"]) in (os.EX_NOPERM, os.EX_IOERR)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cmpd: {told}")


@pytest.mark.parametrize("name", ["cmpd.conf", "master.key"])
def test_a_file_that_may_not_be_read_is_named_with_the_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root may read everything, so the refusal is put in the system's mouth."""
    config = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*config, "init"]) == 0

    for method in ("read_text", "read_bytes", "open"):
        monkeypatch.setattr(Path, method, _refusing(getattr(Path, method), name))
    monkeypatch.setattr("os.open", _refusing(os.open, name))
    capsys.readouterr()
    assert main([*config, "status"]) == os.EX_NOPERM
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line
    assert "Permission denied; run the command as root" in line


def _refusing(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    def refuse(path: str | Path, *more: Any, **named: Any) -> Any:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *more, **named)

    return refuse


def test_a_folder_that_may_not_be_searched_has_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    monkeypatch.delenv("CMPD_CONF", raising=False)
    assert main(["status"]) == os.EX_CONFIG
    assert "no configuration" in capsys.readouterr().err
