"""The house keeps its shape: imports run one way, files stay small, tests stand where their code stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "cmpd"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Which rooms a room may import, beside itself.
ROOMS = {
    "cli": {"client", "server", "issuers", "cmp", "clm"},
    "issuers": {"client", "cmp", "clm"},
    "client": {"cmp"},
    "server": {"issuers", "cmp", "clm"},
    "cmp": {"clm"},
    "clm": set(),
}
# The same within the server; what stands beside its rooms composes them.
SERVER_ROOMS: dict[str, set[str]] = {"http": set(), "process": set(), "admin": {"http"}}
# From the ground up: a module imports what is on its own floor or below. What is not a folder is a module.
FLOORS = {
    "clm": (
        ("model", "settings", "secrets", "refusal", "audit"),
        ("pkix",),
        ("documents",),
        ("store",),
        ("authorities",),
        ("issuance",),
        ("entities", "imported_crls"),
        ("configuration",),
        ("declare",),
        ("lifecycle",),
        ("certificates",),
        ("client",),
        ("housekeeping",),
    ),
    "cmp": (
        ("wire",),
        ("protection",),
        ("cms", "requests", "readable"),
        ("parties",),
        ("transaction",),
        ("information",),
        ("handlers",),
        ("errors",),
        ("responder",),
    ),
}
# Leaves every room may import; they import no room.
LEAVES = (
    "cmpd.canonical",
    "cmpd.config",
    "cmpd.clm.model",
    "cmpd.networks",
    "cmpd.printable",
    "cmpd.reasons",
    "cmpd.records",
    "cmpd.times",
)
# Importing a command must not pay for these; a command that needs them imports them when it runs.
SLOW = ("asn1tools", "asyncio", "cryptography", *(f"cmpd.{room}" for room in ROOMS if room != "cli"))
LONGEST = 420


def _name(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {_name(path) for path in MODULES}


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
            named = [f"{module}.{alias.name}" for alias in node.names]
            if any(one not in NAMES for one in named):  # else the package only leads to its modules
                yield module
            yield from named


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "cmpd" and parts[1] in ROOMS else None


def _floor(module: str) -> int | None:
    parts = module.split(".")
    if len(parts) < 3 or parts[1] not in FLOORS:
        return None
    return next(number for number, names in enumerate(FLOORS[parts[1]]) if parts[2] in names)


def _is_or_in(module: str, ancestors: tuple[str, ...]) -> bool:
    return any(module == one or module.startswith(one + ".") for one in ancestors)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_run_one_way_from_cli_over_server_or_client_and_cmp_to_clm(path: Path) -> None:
    here = _room(_name(path))
    for module in _imported(path):
        there = _room(module)
        if there is None or _is_or_in(module, LEAVES) or module == "cmpd.clm":
            continue
        assert here is not None or _name(path) == "cmpd.__main__", f"{_name(path)} imports {module}"
        if here is not None:
            assert there in {here, *ROOMS[here]}, f"{_name(path)} imports {module}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "server").glob("*/*.py")), ids=_name)
def test_in_the_server_operators_pages_know_http_and_else_no_room_another(path: Path) -> None:
    room = path.parent.name
    beyond = {*SERVER_ROOMS[room], room}
    reached = [one.split(".") for one in _imported(path) if one.startswith("cmpd.server.")]
    assert [".".join(parts) for parts in reached if parts[2] not in beyond] == []


@pytest.mark.parametrize("path", [one for one in MODULES if _floor(_name(one)) is not None], ids=_name)
def test_nothing_is_imported_from_a_floor_above_or_another_room_of_the_same_floor(path: Path) -> None:
    here = _floor(_name(path))
    assert here is not None
    for module in _imported(path):
        there = _floor(module)
        if there is None or module.split(".")[1] != _name(path).split(".")[1]:
            continue
        same_room = module.split(".")[2] == _name(path).split(".")[2]
        assert there < here or same_room or there == here == 0, f"{_name(path)} imports {module}"


@pytest.mark.parametrize("room", FLOORS)
def test_every_module_has_a_floor(room: str) -> None:
    there = {
        path.stem
        for path in (PACKAGE / room).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert there - {"__init__"} == {name for floor in FLOORS[room] for name in floor}


def test_no_circle_of_imports() -> None:
    """Imports for types alone and those that a function makes are counted, too; a package that names its own
    modules imports those, not itself."""
    names = {_name(path): path for path in MODULES}
    imports = {
        name: {one for one in _imported(path) if one in names and one != name} for name, path in names.items()
    }
    assert _circle(imports) is None


def _meaning(path: Path) -> str:
    return path.stem if path.stem != "__init__" else path.parent.name


@pytest.mark.parametrize("path", [one for one in MODULES if "cli" not in one.parts], ids=_name)
def test_a_name_of_a_module_means_one_thing(path: Path) -> None:
    """But for what both engines have, each in its room (`store/copy.py`, `store/sqlite/copy.py`), for
    commands, which are named after their nouns, and for the clients of an API (`clm/client.py`) and of CMP
    (`client/`)."""
    alike = {_name(one) for one in MODULES if _meaning(one) == _meaning(path) and "cli" not in one.parts}
    alike = {one.replace(".sqlite.", ".").replace(".postgres.", ".") for one in alike} - {
        "cmpd.clm.store",
        "cmpd.client",
    }
    assert len(alike) <= 1


def test_a_circle_is_found_however_long_it_is() -> None:
    assert _circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert _circle({"a": {"a"}}) == ["a"]


def _circle(imports: dict[str, set[str]]) -> list[str] | None:
    """What is left when modules that import nothing of the rest are taken away, again and again, and those
    that nothing of the rest imports; None where nothing is left."""
    left = {name: set(others) for name, others in imports.items()}
    while left:
        imported = set().union(*left.values())
        gone = {name for name, others in left.items() if not others or name not in imported}
        if not gone:
            return sorted(left)
        left = {name: others - gone for name, others in left.items() if name not in gone}
    return None


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
    of_their_own = {"e2e", "fuzz", "judge", "packaging", "support"}
    folders = {path.parent.relative_to(PROJECT / "tests") for path in (PROJECT / "tests").rglob("test_*.py")}
    strays = [
        str(folder)
        for folder in folders
        if folder.parts and folder.parts[0] not in of_their_own and not (PACKAGE / folder).is_dir()
    ]
    assert strays == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_module_only_passes_names_on(path: Path) -> None:
    """A package may say what it is, and bring in its modules, which register themselves."""
    body = ast.parse(path.read_text("utf-8")).body[1:]
    only_imports = all(
        isinstance(node, ast.Import | ast.ImportFrom) or _is_assignment_of(node, "__all__") for node in body
    )
    passed_on = [one for one in _imported(path) if one not in NAMES and one != "__future__.annotations"]
    assert not (only_imports and passed_on), f"{_name(path)} only imports"


def _is_assignment_of(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == name for target in node.targets
    )


# Words of this house that an engineer of the field would have to learn, and what they are called instead.
PRIVATE_WORDS = {
    "wish": "certificate request, requested",
    "outset": "request state",
    "edition": "configuration snapshot",
    "herald": "notifier",
    "stranger": "unauthenticated peer",
    "standing": "state",
    "allowance": "rate limit",
}
SPOKEN = [
    path
    for path in (*MODULES, *sorted((PROJECT / "docs").glob("*.md")), PROJECT / "README.md")
    # The migration has to know the old name of a key.
    if path.name not in ("computed.py", "validity.py", "ddl.py")
]


@pytest.mark.parametrize("path", SPOKEN, ids=lambda path: str(path.relative_to(PROJECT)))
def test_the_words_are_those_of_the_field(path: Path) -> None:
    text = path.read_text("utf-8").lower()
    found = {word for word in PRIVATE_WORDS if re.search(rf"\b{word}(?:s|es|ed)?\b", text)}
    assert {word: PRIVATE_WORDS[word] for word in found} == {}
