"""The house keeps its shape: imports run one way, files stay small, tests stand where their code stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "cmpd"
MODULES = sorted(PACKAGE.rglob("*.py"))

# The rooms from the outside in: a room may import itself and the rooms after it.
ROOMS = ("cli", "server", "cmp", "clm")
# Leaves every room may import; they import no room.
LEAVES = ("cmpd.config", "cmpd.clm.model", "cmpd.printable", "cmpd.reasons", "cmpd.records")
# Importing a command must not pay for these; a command that needs them imports them when it runs.
SLOW = ("asn1tools", "asyncio", "cryptography", "cmpd.server", "cmpd.cmp", "cmpd.clm")
LONGEST = 420


def _name(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, *, at_import_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"), str(path))
    nodes = tree.body if at_import_only else ast.walk(tree)
    package = _name(path) if path.stem == "__init__" else _name(path).rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "cmpd" and parts[1] in ROOMS else None


def _is_or_in(module: str, ancestors: tuple[str, ...]) -> bool:
    return any(module == one or module.startswith(one + ".") for one in ancestors)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_run_one_way_from_cli_over_server_and_cmp_to_clm(path: Path) -> None:
    here = _room(_name(path))
    for module in _imported(path):
        there = _room(module)
        if there is None or _is_or_in(module, LEAVES) or module == "cmpd.clm":
            continue
        assert here is not None or _name(path) == "cmpd.__main__", f"{_name(path)} imports {module}"
        if here is not None:
            assert ROOMS.index(here) <= ROOMS.index(there), f"{_name(path)} imports {module}"


@pytest.mark.parametrize("path", [one for one in MODULES if _is_or_in(_name(one), LEAVES)], ids=_name)
def test_a_leaf_imports_no_room(path: Path) -> None:
    own = [module for module in _imported(path) if module.startswith("cmpd.")]
    assert [module for module in own if not _is_or_in(module, LEAVES)] == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=_name)
def test_a_command_module_imports_nothing_slow_until_it_runs(path: Path) -> None:
    slow = [module for module in _imported(path, at_import_only=True) if _is_or_in(module, SLOW)]
    assert slow == []


@pytest.mark.parametrize("path", [*MODULES, *sorted((PROJECT / "tests").rglob("*.py"))], ids=_name)
def test_a_file_holds_one_idea_and_stays_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_test_folders_mirror_the_package() -> None:
    of_their_own = {"e2e", "fuzz", "packaging", "support"}
    folders = {path.parent.relative_to(PROJECT / "tests") for path in (PROJECT / "tests").rglob("test_*.py")}
    strays = [
        str(folder)
        for folder in folders
        if folder.parts and folder.parts[0] not in of_their_own and not (PACKAGE / folder).is_dir()
    ]
    assert strays == []
