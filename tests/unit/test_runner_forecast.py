"""How long a run will take, said before it begins."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.estimate import flops_estimate
from harness.evidence.triage import Triage
from harness.evidence.triage_forecast import Prediction
from harness.runner import forecast as forecasting
from harness.runner import frugal
from harness.runner.cells import Cell, plan
from harness.runner.forecast import Forecast, Guess, between, duration, forecast
from harness.runner.plain_progress import PlainProgress
from harness.runner.progress import Progress, Several
from harness.runner.runner import run as run_cells
from harness.runner.settings import ExperimentSettings
from harness.workflows import run as workflow
from harness.workflows import run_all
from harness.workflows.options.run import RunOptions


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which the random model takes its time."""
    flops_estimate.machine_speed.cache_clear()
    monkeypatch.setattr(flops_estimate._Speed, "_timed", lambda self, rows: 1e6)
    monkeypatch.setattr(forecasting, "is_tiny", lambda spec: False)
    yield
    flops_estimate.machine_speed.cache_clear()


def cells(task: Path, *recipes: str, labels: tuple[int, ...] = (), limit: int | None = None) -> list[Cell]:
    return plan(
        workflow.experiment(
            RunOptions(str(task), model=("tiny",), recipes=recipes, labels=labels, limit=limit)
        )
    )


def test_the_time_of_each_recipe_follows_labels_and_examples(
    slow: None, tiny_task: Path, tmp_path: Path
) -> None:
    def of(*recipes: str, labels: tuple[int, ...] = (), limit: int | None = None) -> Forecast:
        return forecast(cells(tiny_task, *recipes, labels=labels, limit=limit), tmp_path / "results")

    both = of("zero_shot", "lora")
    assert set(both.by_recipe) == {"zero_shot", "lora"}
    assert both.by_recipe["lora"] > both.by_recipe["zero_shot"] > of("zero_shot", limit=2).total
    assert of("lora", labels=(4,)).total < of("lora").total
    assert of("lora", labels=(4, 8)).total > of("lora", labels=(8,)).total
    assert set(of("bm25_rag", "dense_rag").by_recipe) == {"bm25_rag", "dense_rag"}, (
        "no model is loaded for it"
    )
    assert of("lora_dpo", "zero_shot").unknown == ("lora_dpo",)


def test_what_is_complete_takes_no_time(slow: None, tiny_task: Path, tmp_path: Path) -> None:
    results, asked = tmp_path / "results", cells(tiny_task, "zero_shot", "few_shot", limit=2)
    run_cells(asked[:1], results, progress=Progress())
    assert set(forecast(asked, results).by_recipe) == {"few_shot"}
    assert set(forecast(asked, results, fresh=True).by_recipe) == {"zero_shot", "few_shot"}
    more = cells(tiny_task, "zero_shot")
    assert set(forecast(more, results).by_recipe) == {"zero_shot"}, "more examples are left to ask"


def test_a_random_model_and_a_server_are_not_reckoned_and_the_line_says_why(
    tiny_task: Path, tmp_path: Path
) -> None:
    of_tiny = forecast(cells(tiny_task, "zero_shot", "lora"), tmp_path)
    assert of_tiny.guesses == {}
    assert of_tiny.sentence.startswith("no time estimate: tiny is a test model with random weights")
    served = [replace(cell, model="openai:m@http://h/v1") for cell in cells(tiny_task, "zero_shot")]
    why = "how fast openai:m@http://h/v1 answers is unknown until it is asked"
    assert forecast(served, tmp_path).sentence == f"no time estimate: {why}"


def test_nothing_is_said_where_nothing_is_left_to_run(tiny_task: Path, tmp_path: Path) -> None:
    asked = cells(tiny_task, "zero_shot", limit=2)
    run_cells(asked, tmp_path, progress=Progress())
    assert forecast(asked, tmp_path).sentence == ""


def test_frugal_counts_no_training_that_a_diagnosis_rules_out(
    slow: None, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Prediction(recipes=("lora",), worth=False, because="5 % is form")
    earlier = Triage(
        n=50, lost=0.5, shares=(), dominant=None, certain=True, train_overlap=0.0, predictions=(out,)
    )
    monkeypatch.setattr(frugal, "read_triage", lambda *_, **__: earlier)
    planned = cells(tiny_task, "zero_shot", "lora", "full")
    whole = run_all.expected(ExperimentSettings(), planned, tmp_path, fresh=False)
    less = run_all.expected(ExperimentSettings(frugal=True), planned, tmp_path, fresh=False)
    assert set(whole.by_recipe) == {"zero_shot", "lora", "full"}
    assert set(less.by_recipe) == {"zero_shot", "full"}
    assert less.sentence.endswith("; less if --frugal leaves out more trainings on the way")
    assert "less if" not in whole.sentence


def guessed(*guesses: tuple[str, float], unknown: tuple[str, ...] = ()) -> Forecast:
    """A forecast with one cell of each recipe, whose key is the recipe's name."""
    return Forecast(guesses={name: Guess(recipe=name, seconds=s) for name, s in guesses}, unknown=unknown)


def test_it_is_said_in_one_line_as_a_range_with_every_recipe() -> None:
    known = guessed(("zero_shot", 5.0), ("lora", 300.0), ("full", 600.0), unknown=("lora_dpo",))
    assert known.sentence == (
        "rough time estimate: 11 to 30 min on this machine under its present load "
        "(zero_shot 5 s, lora 5 min, full 10 min); not counted: lora_dpo"
    )
    assert [duration(seconds) for seconds in (0.2, 40, 720, 12600)] == ["1 s", "40 s", "12 min", "3.5 h"]
    assert guessed().sentence == ""


@pytest.mark.parametrize(
    ("least", "most", "shown"),
    [
        (660, 1800, "11 to 30 min"),
        (45, 120, "45 s to 2 min"),
        (0.1, 0.2, "1 s"),
        (5400, 14400, "90 min to 4.0 h"),
    ],
)
def test_a_range_names_its_unit_once_where_it_can(least: float, most: float, shown: str) -> None:
    assert between(least, most) == shown


def test_seeds_of_a_recipe_are_counted_together() -> None:
    seeds = {f"lora-{seed}": Guess(recipe="lora", seconds=60.0) for seed in range(3)}
    known = Forecast(guesses={"zero": Guess(recipe="zero_shot", seconds=20.0), **seeds})
    assert known.by_recipe == {"zero_shot": 20.0, "lora": 180.0}


def test_it_is_worked_out_only_where_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[int] = []

    def expected() -> Forecast:
        asked.append(1)
        return guessed(("lora", 600.0))

    Progress().forecast(expected)
    assert not asked
    Several([Progress(), PlainProgress()]).forecast(expected)
    assert capsys.readouterr().err.startswith("rough time estimate: 8 to 20 min on this machine")


def _talking(lengths: Any) -> Any:
    """A part of the estimate during which a library logs a warning."""

    def talk(*given: Any) -> Any:
        logging.getLogger("some_library").warning("a library's notice")
        return lengths(*given)

    return talk


def test_a_run_says_it_first(
    slow: None,
    tiny_task: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = workflow.experiment(
        RunOptions(str(tiny_task), model=("tiny",), recipes=("zero_shot",), limit=2)
    )
    monkeypatch.setattr(forecasting.flops_estimate, "_lengths", _talking(flops_estimate._lengths))
    workflow.run(experiment, tmp_path / "results", progress=PlainProgress())
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("rough time estimate: "), "no library speaks before it"
    assert "a library's notice" not in rest
    workflow.run(experiment, tmp_path / "results", progress=PlainProgress())
    assert "estimate" not in capsys.readouterr().err, "nothing is left to run"
