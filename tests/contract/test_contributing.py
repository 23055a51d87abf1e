"""The examples of CONTRIBUTING.md, put in a package of their own, meet the contracts of their rooms."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.core.kinds import ROOMS, Kind
from tests.contract import test_programs, test_scorers, test_sections, test_weights
from tests.unit.training_kit import context, lessons, model

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^`(harness/\S+\.py)`\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
"""Path that the page names → source."""
data = test_sections.data


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports an example by the path that the page gives it, from outside the package."""
    package = tmp_path / "stranger"
    package.mkdir()
    for path, source in {"__init__.py": "", **EXAMPLES}.items():
        (package / Path(path).name).write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda path: importlib.import_module(f"stranger.{Path(path).stem}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "stranger"]:
        del sys.modules[name]


def kind(file: ModuleType) -> Any:
    (only,) = [
        c
        for c in vars(file).values()
        if isinstance(c, type) and issubclass(c, Kind) and c.__module__ == file.__name__
    ]
    assert dataclasses.is_dataclass(only)
    return only()


def contract(module: ModuleType, subject: str) -> list[Callable[..., None]]:
    """The tests of a contract that take one member of the room and nothing else."""
    return [
        test
        for name, test in vars(module).items()
        if name.startswith("test_") and list(inspect.signature(test).parameters) == [subject]
    ]


def test_the_page_has_an_example_of_each_of_four_rooms() -> None:
    rooms = [Path(path).parent.name for path in EXAMPLES]
    assert sorted(rooms) == ["programs", "scorers", "sections", "weights"]
    assert set(rooms) <= set(ROOMS)


def test_the_scorer_meets_the_contract(stranger: Callable[[str], ModuleType]) -> None:
    scorer = kind(stranger("length"))
    tests = contract(test_scorers, "scorer")
    assert len(tests) > 1
    for test in tests:
        test(scorer)
    for value, target in [("", ""), ("one two", "three"), ("Ünï", "a b")]:
        test_scorers.check_scores(scorer, value, target)


def test_the_program_meets_the_contract(stranger: Callable[[str], ModuleType]) -> None:
    program = kind(stranger("step_by_step"))
    tests = contract(test_programs, "program")
    assert len(tests) > 8
    for test in tests:
        test(program)


def test_the_weights_kind_trains_saves_and_loads(
    stranger: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    weights = kind(stranger("norm_tuning")).replace(**test_weights.FAST)
    test_weights.check_training(weights, tmp_path)
    result = weights.train(model("neox"), lessons(8), context(tmp_path / "other"))
    test_weights.check_refusals(weights, result.model, tmp_path)


def test_the_section_meets_the_contract(stranger: Callable[[str], ModuleType], data: Any) -> None:
    section: Any = stranger("answers")
    test_sections.test_it_has_a_place_and_a_title(section)
    test_sections.test_it_has_nothing_to_say_of_no_runs(section, data)
    test_sections.test_what_it_renders_is_markup_in_which_answers_are_text(section, data)
    assert section.collect(data).counts


def test_every_file_and_folder_that_the_page_names_is_there() -> None:
    root = Path(__file__).parents[2]
    named = set(re.findall(r"`((?:harness|docs|tests|baselines)/[\w/.]*?)(?:<\w+>\.\w+)?`", PAGE)) - set(
        EXAMPLES
    )
    assert len(named) > 15
    assert [path for path in sorted(named) if not (root / path).exists()] == []


def test_the_entry_point_of_the_page_is_toml_and_names_a_room() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (group,) = tomllib.loads(block)["project"]["entry-points"]
    assert group.removeprefix("harness.") in ROOMS
