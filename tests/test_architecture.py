"""Rooms meet at their doors, and arrows point down: read from the import statements of the package.

A *room* is a folder or module of `esc_features`. The wall of docs/architecture.md is checked here, so that it stays up:

1. a room imports only the rooms that `ROOMS` lists beside it, and those stand above it in the table: no circle;
2. nothing imports a private name or module of another room;
3. no two modules of one room import each other in a circle.

Imports inside functions count; imports for type checkers only (``if TYPE_CHECKING:``) count for the second rule.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "esc_features"

# Room -> the rooms that it may know. Each line names rooms of the lines above only, so no circle can be written down.
# `exceptions` and helpers (private modules beside the rooms, such as `_platform`) are known to all.
ROOMS: dict[str, str] = {
    "lazy": "",
    "audio": "",
    "augmentation": "",
    "datasets": "audio",
    "features": "audio datasets lazy",
    "model_selection": "lazy datasets",
    "preprocessing": "lazy",
    "storage": "datasets",
    "store": "audio datasets features lazy model_selection storage",
    "extraction": "audio datasets features lazy storage store",
    "models": "audio augmentation features lazy model_selection preprocessing",
    "plotting": "audio datasets features lazy store",
    "evaluation": "audio augmentation datasets extraction features lazy model_selection models plotting preprocessing "
    "store",
    "deployment": "audio datasets evaluation features lazy model_selection models plotting preprocessing store",
    "viewer": "audio datasets deployment evaluation features lazy models plotting store",
    "_commands": "audio datasets deployment evaluation extraction features models plotting store viewer",
    "_cli": "_commands",
    "__main__": "_cli",
}
KNOWN_TO_ALL = {"exceptions"}
PROGRAMS = {"__main__", "_cli", "_commands"}

# What is still broken, as "file -> what it imports". Mend a line, then take it out; add none.
BROKEN: set[str] = set()


@dataclass(frozen=True)
class Import:
    """One name that a file imports from the package."""

    file: str
    line: int
    target: str  # without "esc_features."
    for_types: bool

    @property
    def rooms(self) -> tuple[str, str]:
        return self.file.split("/")[0].removesuffix(".py"), self.target.split(".")[0]

    @property
    def is_private(self) -> bool:
        return any(part.startswith("_") for part in self.target.split(".")[1:])

    def __str__(self):
        return f"esc_features/{self.file}:{self.line} imports {self.target}"


def imports_of(path: Path) -> Iterator[Import]:
    file = path.relative_to(PACKAGE).as_posix()
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    guards = [node for node in nodes if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    for_types = {inner for guard in guards for inner in ast.walk(guard)}
    for node in nodes:
        for target in _targets(node, path):
            yield Import(file, node.lineno, target, node in for_types)


def _targets(node: ast.AST, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            folder = path.relative_to(PACKAGE.parent).parent.parts
            parents = folder[: len(folder) - node.level + 1]
            base = ".".join([*parents, *filter(None, [node.module])])
        names = [f"{base}.{alias.name}" for alias in node.names]
    else:
        return []
    return [name.removeprefix("esc_features.") for name in names if name.startswith("esc_features.")]


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return [each for path in sorted(PACKAGE.rglob("*.py")) for each in imports_of(path)]


@pytest.fixture(scope="module")
def between_rooms(imports) -> list[Import]:
    return [each for each in imports if each.rooms[0] != each.rooms[1] and each.file != "__init__.py"]


def is_helper(room: str) -> bool:
    return room.startswith("_") and room not in PROGRAMS


def is_still_broken(each: Import) -> bool:
    return any(
        f"{each.file} -> {each.target}" == line or f"{each.file} -> {each.target}".startswith(f"{line}.")
        for line in BROKEN
    )


def report(wrong: list[str]) -> None:
    assert not wrong, "\n".join(["", *wrong, "See ROOMS at the top of tests/test_architecture.py."])


def test_the_table_of_rooms_has_no_circle():
    above: set[str] = set()
    for room, known in ROOMS.items():
        assert set(known.split()) <= above, f"{room} may only know rooms of the lines above it."
        above.add(room)


def test_every_room_is_in_the_table():
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    rooms -= {"__init__", "__pycache__", "py.typed"} | KNOWN_TO_ALL
    missing = {room for room in rooms if not is_helper(room)} - set(ROOMS)
    assert not missing, f"Say in ROOMS which rooms these may know: {', '.join(sorted(missing))}."


def test_the_architecture_page_tells_of_every_room():
    page = (PACKAGE.parent / "docs/architecture.md").read_text(encoding="utf-8")
    missing = [room for room in ROOMS if f"`{room}`" not in page]
    assert not missing, f"docs/architecture.md does not say what these are for: {', '.join(missing)}."


def test_arrows_point_down(between_rooms):
    wrong = []
    for each in between_rooms:
        room, other = each.rooms
        known = set() if room in KNOWN_TO_ALL or is_helper(room) else set(ROOMS.get(room, "").split())
        if other in known | KNOWN_TO_ALL or is_helper(other) or each.for_types or is_still_broken(each):
            continue
        wrong.append(f"{each}: {room} may know {', '.join(sorted(known)) or 'no other room'}, not {other}.")
    report(wrong)


def test_rooms_meet_at_their_doors(between_rooms):
    report(
        [
            f"{each}: that is private to {each.rooms[1]}; import what esc_features.{each.rooms[1]} exports."
            for each in between_rooms
            if each.is_private and not is_helper(each.rooms[1]) and not is_still_broken(each)
        ]
    )


def modules_imported_by(imports: list[Import]) -> dict[str, set[str]]:
    """Module -> the modules of its own room that it imports when it runs."""
    modules = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py")}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for each in imports:
        importer = each.file.removesuffix(".py").replace("/", ".")
        if each.for_types or is_still_broken(each):
            continue
        for target in (each.target, each.target.rpartition(".")[0]):
            if target in modules and target != importer:
                graph[importer].add(target)
    return graph


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle; an empty list where there are none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for other in sorted(graph[module]):
            if circle := visit(other, [*path, module]):
                return circle
        done.add(module)
        return []

    for module in sorted(graph):
        if circle := visit(module, []):
            return circle
    return []


def test_no_modules_import_each_other_in_a_circle(imports):
    circle = find_circle(modules_imported_by(imports))
    assert not circle, " imports ".join(circle)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("from ..features import _spectra", "features._spectra"),
        ("from ..features._recipe import _OURS", "features._recipe._OURS"),
        ("def f():\n    from ..storage import FORMAT", "storage.FORMAT"),
        ("import esc_features.storage._format", "storage._format"),
        ("from esc_features import storage", "storage"),
        ("from . import _displays", "plotting._displays"),
    ],
)
def test_reads_every_way_to_import(source, target):
    (node,) = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert _targets(node, PACKAGE / "plotting" / "_displays.py") == [target]


def test_finds_a_circle():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
