"""Imports go one way: a room imports only rooms below it, and no private name crosses a room."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from docs import rooms

ORDER = {room.name: floor for floor, room in enumerate(rooms.ROOMS)}


def test_every_folder_is_a_room_and_every_room_a_folder() -> None:
    folders = {path.name for path in rooms.PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders == set(ORDER)
    assert {path.stem for path in rooms.PACKAGE.glob("*.py")} == set(rooms.TOP)


def test_a_room_imports_only_rooms_below_it() -> None:
    upward = [
        f"{taken.file.relative_to(rooms.ROOT)}:{taken.line} imports {taken.target}"
        for taken in rooms.imports()
        if (room := rooms.room_of(taken.module)) is not None
        and (other := rooms.room_of(taken.target)) != room
        and (other is None or ORDER[other] < ORDER[room])
    ]
    assert not upward, upward


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = rooms.modules()
    targets: dict[str, set[str]] = defaultdict(set)
    for taken in rooms.imports():
        target = taken.target if taken.target in known else taken.target.rpartition(".")[0]
        if target != taken.module:
            targets[taken.module].add(target)
    state: dict[str, str] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        state[module] = "open"
        for target in targets[module]:
            circle = (*path, module, target)
            assert state.get(target) != "open", " -> ".join(circle[circle.index(target) :])
            if target not in state:
                visit(target, (*path, module))
        state[module] = "done"

    for module in known:
        if module not in state:
            visit(module, ())


def test_no_private_name_crosses_a_room() -> None:
    crossing = [
        f"{taken.file.relative_to(rooms.ROOT)}:{taken.line} takes {taken.target}"
        for taken in rooms.imports()
        if any(part[0] == "_" and not part.startswith("__") for part in taken.target.split("."))
        and rooms.room_of(taken.module) != rooms.room_of(taken.target)
    ]
    assert not crossing, crossing


def test_only_the_rooms_that_say_so_import_torch_or_duckdb() -> None:
    allowed = {
        "torch": {room.name for room in rooms.ROOMS if room.torch},
        "duckdb": {room.name for room in rooms.ROOMS if room.duckdb},
    }
    wrong = []
    for module, file in rooms.modules().items():
        room = rooms.room_of(module)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for_types = set(_for_types_only(tree))
        for node in ast.walk(tree):
            if node in for_types:
                continue
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                library = name.split(".")[0]
                if room is not None and room not in allowed.get(library, {room}):
                    wrong.append(f"{file.relative_to(rooms.ROOT)}:{node.lineno} imports {library}")
    assert not wrong, wrong


def test_the_table_of_rooms_names_each_with_what_it_holds() -> None:
    text = rooms.PAGE.read_text(encoding="utf-8")
    block = text.split(rooms.BEGIN)[1].split(rooms.END)[0]
    missing = [room.name for room in rooms.ROOMS if f"| `{room.name}/` | {room.holds} |" not in block]
    assert not missing, f"{missing}: run python -m docs.rooms"


def test_the_figures_of_the_package_are_those_of_now() -> None:
    """Files and lines may grow by a twentieth before the table is made again; what is forbidden holds exactly."""
    block = rooms.PAGE.read_text(encoding="utf-8").split(rooms.FIGURES)[1].split(rooms.END_OF_FIGURES)[0]
    rows = dict(re.findall(r"^\| (.+?) \| .+? \| (.+?) \|$", block, re.M))
    now = dict(re.findall(r"^\| (.+?) \| .+? \| (.+?) \|$", rooms.before_and_after(), re.M))
    sizes = "files, lines"
    for stated, counted in zip(rows.pop(sizes).split(", "), now.pop(sizes).split(", "), strict=True):
        stated_size, size = (int(text.replace(",", "")) for text in (stated, counted))
        assert abs(stated_size - size) <= size / 20, f"{sizes}: run python -m docs.rooms"
    for near in ("longest file, lines", "files per room, at most", "`Any` in annotations"):
        del rows[near], now[near]
    assert rows == now, "run python -m docs.rooms"


def _for_types_only(tree: ast.Module) -> Iterator[ast.AST]:
    """What stands under `if TYPE_CHECKING:`, which never runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                yield from ast.walk(statement)
