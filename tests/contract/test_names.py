"""Variables are called what they hold, and only `methods/` knows methods by name."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from docs import rooms
from harness.core import kinds, recipes
from harness.evidence.triage import PROBES

VAGUE = {"found", "said", "told", "place", "seen"}
"""Words that say how a value came about, not what it is."""

SLOTS = ("data", "base", "weights", "programs", "retrieval")
NAMES_NO_METHOD = ("training", "engines", "estimate", "models")
OTHER_MEANINGS = {
    "train": "a split of a task",
    "full": "a value of the setting `sharding`",
    "dense": "a layer's name in some architectures",
}


@pytest.mark.parametrize("folder", ["harness", "tests", "docs"])
def test_no_variable_parameter_or_field_has_a_vague_name(folder: str) -> None:
    vague = [
        f"{file.relative_to(rooms.ROOT)}:{line} {name}"
        for file in sorted((rooms.ROOT / folder).rglob("*.py"))
        for name, line in _named(ast.parse(file.read_text(encoding="utf-8")))
        if name.strip("_") in VAGUE
    ]
    assert not vague, f"call it the noun that it holds: {vague}"


def test_training_and_what_it_stands_on_name_no_method() -> None:
    methods = {name for slot in SLOTS for name in kinds.names(slot)} - set(OTHER_MEANINGS)
    named = [
        f"{file.relative_to(rooms.ROOT)}:{node.lineno} '{node.value}'"
        for module, file in rooms.modules().items()
        if rooms.room_of(module) in NAMES_NO_METHOD
        for node in _texts(file)
        if node.value in methods
    ]
    assert not named, f"ask the kind instead (core.protocols): {named}"


def test_no_room_but_methods_lists_kinds_by_name() -> None:
    slots = [set(kinds.names(slot)) for slot in SLOTS]
    exempt = (set(recipes.available()), {*PROBES, "constrained"})
    lists = []
    for module, file in rooms.modules().items():
        if rooms.room_of(module) == "methods":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            texts = _strings_of(node)
            if any(len(texts & slot) > 1 for slot in slots) and not any(texts <= names for names in exempt):
                lists.append(f"{file.relative_to(rooms.ROOT)}:{node.lineno} {sorted(texts)}")  # type: ignore[attr-defined]
    assert not lists, f"ask the kind instead (core.protocols): {lists}"


def test_these_tests_see_what_they_look_for(tmp_path: Path) -> None:
    tree = ast.parse(
        "def f(found, *, seen=1):\n    place = [said for said in found]\n    self.told = place\n"
    )
    assert sorted(name for name, _ in _named(tree)) == ["found", "place", "said", "seen", "told"]
    file = tmp_path / "x.py"
    file.write_text('"""lora"""\nif kind == "lora":\n    pass\n', encoding="utf-8")
    assert [node.value for node in _texts(file)] == ["lora"]
    assert _strings_of(ast.parse('("lora", "ia3")', mode="eval").body) == {"lora", "ia3"}
    for slot in SLOTS:
        package = import_module(f"harness.methods.{slot}")
        assert {m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_"} <= set(
            kinds.names(slot)
        )


def _named(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names that are given to values, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def _texts(file: Path) -> Iterator[ast.Constant]:
    """The strings of a module, without its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def _strings_of(node: ast.AST) -> set[str]:
    """The strings of a tuple, list or set that is written out; empty for any other expression."""
    items = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else []
    return {item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)}
