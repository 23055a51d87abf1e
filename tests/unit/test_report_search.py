"""The report's section on searches: numbers of the trials, pictures with tables, and nothing from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.report import build, studies, study_plots
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.sections import search as section
from harness.results import trials
from harness.results.records.run import RunRecord
from harness.workflows.search import search
from tests.unit.search_kit import climbing, fake, plan

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pruned search of ten knobs, of which two matter, and one of two objectives."""
    from tests.conftest import tiny_task

    folder = tmp_path_factory.mktemp("search")
    task = tiny_task.__wrapped__(folder)  # type: ignore[attr-defined]
    out = folder / "results"
    settings = ("weights.learning_rate=1e-6..1e-2:log",)
    search(
        plan(task, out, 40, space=settings, only=(), pruner="median", study="pruned"),
        make=climbing,
        say=lambda _: None,
    )
    search(plan(task, out, 20, objective="score,memory", study="front"), make=fake, say=lambda _: None)
    return out


def page(results: Path, title: str) -> str:
    return build.render(ReportData(title=title, groups=(), studies=studies.read(results)), only=("search",))


def test_the_study_of_the_report_is_shown_and_others_are_not(results: Path) -> None:
    text = page(results, "pruned")
    assert "40 configurations" in text
    assert "Pareto" not in text
    assert section.collect(ReportData(title="x", groups=(), studies=studies.read(results))) is None
    assert 'id="search"' not in page(results, "x")


def test_a_search_is_shown_beside_runs_that_are_marked_as_scored_in_several_ways(results: Path) -> None:
    """The mark is part of a group's name and of no study."""
    known = studies.read(results)
    record = RunRecord.of({"task": {"name": known[0].task}, "model": {"spec": known[0].model}})
    run = Run(id="r", recipe="lora", folder=results, record=record, rows=[], steps=[])
    group = TaskGroup(task=f"{known[0].task} ·scored ab12", model=f"{known[0].model} ·cd34", runs=(run,))
    info = section.collect(ReportData(title="x", groups=(group,), studies=known))
    assert info is not None
    assert {study.name for study in info.studies} == {"pruned", "front"}


def test_what_was_found_and_what_the_start_had_are_the_trials_own(results: Path) -> None:
    rows = [row for row in trials.read(results) if row.study == "pruned"]
    best = max((row for row in rows if row.state == "complete"), key=lambda row: row.value or 0.0)
    text = page(results, "pruned")
    assert f"trial {best.number} with {100 * (best.value or 0.0):.1f} (dev score, points)" in text
    assert f"the start, trial 0, had {100 * (rows[0].value or 0.0):.1f}." in text
    pruned = sum(row.state == "pruned" for row in rows)
    assert pruned > 0
    assert f"{pruned} pruned" in text
    assert text.count(", pruned at rung") == pruned


def test_the_knob_that_decides_is_the_most_important(results: Path) -> None:
    study = next(s for s in studies.read(results) if s.name == "pruned")
    assert study.knobs[0] == "weights.learning_rate"
    assert sum(study.importance.values()) == pytest.approx(1.0)


def test_the_front_is_what_nothing_beats(results: Path) -> None:
    study = next(s for s in studies.read(results) if s.name == "front")
    kept = {trial.number for trial in study.front}
    for trial in study.done:
        score, memory = trial.values
        beaten = any(
            o.values[0] >= score and o.values[1] <= memory and o.values != trial.values for o in study.done
        )
        assert (trial.number in kept) != beaten
    assert 0 < len(kept) < len(study.done)
    assert "numbered" in page(results, "front")


def test_every_picture_has_its_text_and_numbers_and_no_style_of_its_own(results: Path) -> None:
    for title in ("pruned", "front"):
        text = page(results, title)
        pictures = text.count('<svg viewBox="0 0 ')
        assert pictures == text.count('role="img" aria-label="') > 5
        assert text.count("<summary>The numbers</summary>") == pictures
        assert " style=" not in text


def test_the_best_so_far_never_falls(results: Path) -> None:
    study = next(s for s in studies.read(results) if s.name == "pruned")
    values = [value for _, value in study_plots._best_so_far(study)]
    assert values == sorted(values)
    assert values[-1] == study.best.values[0]


@pytest.mark.parametrize(
    "damage",
    [
        {"params": None},
        {"intermediate": {"x": 1}},
        {"distributions": {"weights.lora_r": "{"}},
        {"objectives": 3},
    ],
)
def test_a_study_with_an_odd_row_is_left_out_and_the_others_stay(
    results: Path, tmp_path: Path, damage: dict[str, Any]
) -> None:
    rows = trials.read(results)
    spoilt = next(row.raw for row in rows if row.study == "front" and row.number == 0) | damage
    (tmp_path / "trials.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in [*(r.raw for r in rows), spoilt])
    )
    assert {study.name for study in studies.read(tmp_path)} == {"pruned"}


def test_hostile_names_are_text(results: Path, tmp_path: Path) -> None:
    rows = [
        {**row.raw, "study": "<script>x</script>"} for row in trials.read(results) if row.study == "pruned"
    ]
    rows[1]["error"] = "<img src=x onerror=alert(1)>"
    (tmp_path / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = page(tmp_path, "<script>x</script>")
    assert "<img" not in text
    assert "<script>x" not in text
