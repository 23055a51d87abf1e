"""`Any` stands at the edges alone: torch, JSON, libraries without types. How often, by room, may only fall."""

from __future__ import annotations

import ast
import re
import tomllib

from docs import rooms

CEILINGS = {
    "top": 1,
    "benchmarks": 6,
    "core": 24,
    "engines": 12,
    "estimate": 2,
    "evidence": 4,
    "export": 1,
    "methods": 9,
    "models": 26,
    "regression": 3,
    "report": 4,
    "results": 12,
    "runner": 12,
    "search": 7,
    "tasks": 58,
    "training": 8,
    "workflows": 2,
}
"""Annotations that say `Any`, by room (`top`: the files beside the rooms). Lower one when it falls; never raise it."""


def test_no_room_has_more_any_than_before() -> None:
    counts = rooms.figures().anything
    over = {
        room: (count, CEILINGS.get(room, 0))
        for room, count in counts.items()
        if count > CEILINGS.get(room, 0)
    }
    assert not over, (
        f"more `Any` than the ceiling (count, ceiling): {over}; use object, JsonValue or a record"
    )


def test_mypy_is_strict_for_the_whole_package() -> None:
    settings = tomllib.loads((rooms.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert settings["strict"] is True
    assert settings["packages"] == ["harness"]
    exceptions = {item["module"]: set(item) - {"module"} for item in settings.get("overrides", [])}
    assert exceptions == {"harness.benchmarks.lm_eval_model": {"disallow_subclassing_any"}}


def test_the_count_is_of_annotations_and_not_of_the_word() -> None:
    tree = ast.parse(
        "from typing import Any\n\nx: dict[str, Any] = {}\n\ndef f(a: Any) -> None:\n    '''Any'''\n"
    )
    assert rooms.mentions_of_any(tree) == 2


def test_each_dictionary_of_anything_has_its_reason_in_the_documentation() -> None:
    text = rooms.PAGE.read_text(encoding="utf-8")
    listed = {file: int(n) for file, n in re.findall(r"^\| `([\w/]+\.py)` \| (\d+) \| \S", text, re.M)}
    assert listed == rooms.figures().dicts_of_anything
    assert sum(listed.values()) < 30
