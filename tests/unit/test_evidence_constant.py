"""The best constant answer: chosen on train, scored on test, for every format."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.core.values import Example
from harness.evidence.constant import Constant, constant_answer
from harness.results import constants, run_scores
from harness.runner.progress import Progress
from harness.tasks.load import load
from harness.tasks.sampling import sample
from harness.workflows import run
from harness.workflows.options.run import RunOptions


def task(format_: Any, scorer: Any, train: Sequence[Any], test: Sequence[Any]) -> Task:
    splits = {
        split: tuple(Example(id=f"{split}-{i}", input={}, target=target) for i, target in enumerate(targets))
        for split, targets in (("train", train), ("test", test))
    }
    return Task(
        name="t",
        version=1,
        instructions="",
        input="",
        format=build("formats", format_),
        scorers=(build("scorers", scorer), build("scorers", "exact")) if scorer != "exact" else (build("scorers", "exact"),),
        primary=scorer,
        splits=splits,
        corpus=(),
        folder=Path(),
        data_hash="d" * 64,
    )  # fmt: skip


CASES = [
    ("choice", {"kind": "choice", "choices": ["a", "b"]}, "exact", ["a", "b", "b"], ["b", "a"], "b", [1.0, 0.0]),
    ("number", "number", "number", [3, 7, 7], [7, 8.5], "7", [1.0, 0.0]),
    ("regex", {"kind": "regex", "pattern": "[A-Z]+"}, "exact", ["X", "Y", "Y"], ["Y"], "Y", [1.0]),
    ("sql", "sql", "exact", ["SELECT 1", "SELECT 2", "SELECT 2"], ["SELECT 2"], "SELECT 2", [1.0]),
    ("yaml", "yaml", "exact", [{"a": 1}, {"a": 2}, {"a": 2}], [{"a": 2}], "a: 2", [1.0]),
    ("several accepted", "text", "exact", [["x", "y"], ["z", "y"]], [["y", "q"]], "y", [1.0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format_", "scorer", "train", "test", "answer", "scores"),
    [c[1:] for c in CASES],
    ids=[c[0] for c in CASES],
)
def test_the_commonest_target_of_every_format(
    format_: Any, scorer: str, train: list[Any], test: list[Any], answer: str, scores: list[float]
) -> None:
    constant = constant_answer(task(format_, scorer, train, test))
    assert constant is not None
    assert constant.answer == answer
    assert list(constant.scores[scorer].values()) == scores


def test_for_text_it_is_the_target_with_the_highest_mean_score_and_not_the_commonest() -> None:
    """No two targets are the same; one shares words with all of them."""
    train = ["the red door", "the red wall", "the blue door", "red door"]
    constant = constant_answer(task("text", "f1", train, ["a red door", "green"]))
    assert constant is not None
    assert constant.answer in ("the red door", "red door")
    assert constant.scores["f1"] == {"test-0": 1.0, "test-1": 0.0}


def test_for_objects_it_may_be_made_of_each_fields_commonest_value() -> None:
    """No train target has all three of the commonest values."""
    train = [
        {"a": 1, "b": 1, "in": {"c": 2}},
        {"a": 1, "b": 2, "in": {"c": 1}},
        {"a": 2, "b": 1, "in": {"c": 1}},
    ]
    schema = {"type": "object"}
    constant = constant_answer(task({"kind": "json_schema", "schema": schema}, "fields", train, train))
    assert constant is not None
    assert json.loads(constant.answer) == {"a": 1, "b": 1, "in": {"c": 1}}
    assert list(constant.scores["fields"].values()) == pytest.approx([2 / 3] * 3)
    assert set(constant.scores["exact"].values()) == {0.0}


def test_an_object_that_the_schema_refuses_is_no_answer() -> None:
    train = [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 4, "b": 3}]
    schema = {"type": "object", "not": {"properties": {"a": {"const": 1}, "b": {"const": 3}}}}
    allowed = [target for target in train if target != {"a": 1, "b": 3}]
    constant = constant_answer(task({"kind": "json_schema", "schema": schema}, "fields", allowed, train))
    assert constant is not None
    assert json.loads(constant.answer) in allowed


def test_where_train_is_empty_nothing_is_known() -> None:
    assert constant_answer(task("text", "f1", [], ["x"])) is None
    assert constant_answer(task("text", "f1", ["x"], [])) is None


def test_many_targets_are_scored_on_few_examples() -> None:
    """A scorer may be slow: the number of calls does not grow with the square of train."""
    calls = 0
    exact = type(build("scorers", "f1"))

    class Counting(exact):  # type: ignore[valid-type,misc]
        def score(self, value: Any, target: Any, example: Example) -> tuple[float, str]:
            nonlocal calls
            calls += 1
            return super().score(value, target, example)  # type: ignore[no-any-return]

        @classmethod
        def name(cls) -> str:
            return "f1"

    plain = task("text", "f1", [f"word{i} same" for i in range(3000)], ["same"])
    assert constant_answer(dataclasses.replace(plain, scorers=(Counting(),))) is not None
    assert calls < 10_000


def test_a_run_is_held_against_the_constant_answer_of_its_task(tiny_task: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    experiment = run.experiment(
        RunOptions(str(tiny_task), model=("fake:red",), recipes=("zero_shot",), limit=5)
    )
    done = run.run(experiment, results, progress=Progress(), report=tmp_path / "r.html")
    (verdict,) = done.verdicts
    # Train is as often red as anything else.
    asked = sample(load(tiny_task).splits["test"], 5)
    red = sum(example.target == "red" for example in asked)
    assert verdict.constant is not None
    assert (verdict.constant.mean, verdict.constant.n) == (red / 5, 5)
    assert (verdict.kind, verdict.recommended) == ("nothing_works", None)
    assert f"the same answer to every question scores {100 * red / 5:.1f}" in verdict.sentence
    again = run_scores.verdicts(done.outcome.folders)
    assert [result.to_json() for result in again] == [verdict.to_json()], "a later report says the same"
    kept = next((results / "constant").iterdir())
    before = kept.stat().st_mtime_ns
    run.run(experiment, results, progress=Progress(), report=tmp_path / "r.html")
    assert kept.stat().st_mtime_ns == before, "what stands is not worked out again"
    kept.write_text("{}", encoding="utf-8")
    assert constants.read(results, done.outcome.records[0].task) is None
    assert run_scores.verdicts(done.outcome.folders)[0].constant is None


@pytest.mark.parametrize("value", [float("nan"), 40.0, -0.1])
def test_a_scorer_that_gives_a_constant_answer_no_score_is_refused_by_name(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any answer is paid for: the constant answer is scored first."""
    broken = task("text", "f1", ["a", "b"], ["a"])
    monkeypatch.setattr(type(broken.scorers[0]), "score", lambda *_: (value, ""))
    with pytest.raises(ConfigError, match="scorer 'f1' gave example 'train-0' .*, not a score within"):
        constant_answer(broken)


def test_other_values_in_a_file_from_before_scores_were_held_to_their_range_do_not_count() -> None:
    constant = Constant(answer="a", scores={"f1": {"x": float("nan"), "y": 0.5, "z": 40.0}})
    kept = constant.run("f1", False, {"x": None, "y": None, "z": None})
    assert kept is not None
    assert kept.values == (None, 0.5, None)
