"""What commands write has a mode of its own: a careless umask opens nothing, a strict one hides nothing."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest

from cmpd.cli import main

COMMANDS = sorted((Path(__file__).parents[2] / "cmpd" / "cli").glob("*.py"))
CREATING = {"write_text", "write_bytes", "mkdir", "touch", "O_CREAT", "O_TRUNC"}

MODES = {
    "cmpd.conf": 0o640,
    "cmpd.db": 0o600,
    "master.key": 0o600,
    "client.secret": 0o600,
    "ca.pem": 0o644,
    "request.pem": 0o644,
    "root.crl": 0o644,
    "passwords.csv": 0o600,
    "copy.db": 0o600,
}


@pytest.mark.parametrize("umask", [0, 0o077], ids=["careless", "strict"])
def test_whatever_the_umask_each_file_has_its_mode(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "above" / "own"
    config = ["-c", str(folder / "cmpd.conf")]
    before = os.umask(umask)
    try:
        assert main([*config, "init"]) == 0
        (folder / "pumps.csv").write_text("name\npump 1\n", "utf-8")
        for words in (
            ["ca", "request", "elsewhere", "--subject", "CN=Elsewhere", "--out", str(folder / "request.pem")],
            ["crl", "make", "root"],
            ["crl", "show", "root", "--out", str(folder / "root.crl")],
            ["entity", "import", str(folder / "pumps.csv"), "--passwords", str(folder / "passwords.csv")],
            ["backup", str(folder / "copy.db")],
        ):
            assert main([*config, *words]) == 0, words
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {name: oct(modes[name]) for name in MODES} == {name: oct(mode) for name, mode in MODES.items()}
    others = set(modes) - set(MODES) - {"pumps.csv"}
    assert {name for name in others if modes[name] & 0o077} == set(), "also what comes beside the store"
    assert [one for one in (folder, folder.parent) if stat.S_IMODE(one.stat().st_mode) & 0o022] == []


def test_what_is_written_over_becomes_readable_and_no_more(tmp_path: Path) -> None:
    config = ["-c", str(tmp_path / "cmpd.conf")]
    assert main([*config, "init"]) == 0
    assert main([*config, "crl", "make", "root"]) == 0
    crl = tmp_path / "root.crl"
    for mode in (0o666, 0o600):
        crl.touch()
        crl.chmod(mode)
        assert main([*config, "crl", "show", "root", "--out", str(crl)]) == 0
        assert stat.S_IMODE(crl.stat().st_mode) == 0o644


@pytest.mark.parametrize("path", [one for one in COMMANDS if one.stem != "files"], ids=lambda path: path.stem)
def test_no_command_makes_a_file_in_another_way(path: Path) -> None:
    found = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in CREATING
    }
    assert found == set()
