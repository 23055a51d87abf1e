"""Pruning: a hopeless trial is stopped, costs less, and is no failure."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from harness.results import trials
from harness.results.database.store import Store
from harness.results.folder import RunFolder, read_lines
from harness.search.study_config import StudyConfig
from harness.search.trial import evaluator
from harness.search.trial_loop import Loop, open_study
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search
from tests.unit.search_kit import RUNGS, climbing, plan

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
BAD = [{"weights.learning_rate": 1e-6 * (1 + n / 10), "weights.lora_r": 4} for n in range(6)]


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_clearly_bad_trials_are_pruned_and_are_no_failures(
    tiny_task: Path, tmp_path: Path, pruner: str
) -> None:
    good = plan(tiny_task, tmp_path / "r", 12, pruner=pruner, study="s")
    search(good, make=climbing, say=lambda _: None)
    study = open_study(good)
    for params in BAD:
        study.enqueue_trial(params)
    lines: list[str] = []
    more = plan(tiny_task, tmp_path / "r", 18, pruner=pruner, study="s")
    result = search(more, make=climbing, say=lines.append)

    bad = [row for row in result.rows if row.params in BAD]
    pruned = [row for row in bad if row.state == "pruned"]
    assert len(bad) == 6
    assert len(pruned) >= (6 if pruner == "median" else 1)
    for row in pruned:
        assert (row.value, row.error) == (None, None)
        assert row.stopped.startswith("stopped at rung")
        assert row.train_steps == len(row.intermediate)
    # Hyperband may also stop a trial at the last rung, where nothing is saved.
    assert 0 < min(row.train_steps for row in pruned) < RUNGS
    assert result.best.state == "complete"
    assert {row.state for row in result.rows} == {"complete", "pruned"}
    assert any("pruned" in line for line in lines)
    with Store.open(tmp_path / "r", write=False) as store:
        counted = list(
            store.rows("SELECT count(*) AS n FROM trials WHERE state = 'pruned' AND error IS NULL")
        )
        assert counted[0]["n"] == sum(row.state == "pruned" for row in result.rows)


def test_without_a_pruner_every_trial_goes_to_its_end(tiny_task: Path, tmp_path: Path) -> None:
    result = search(plan(tiny_task, tmp_path / "r", 12), make=climbing, say=lambda _: None)
    assert {row.state for row in result.rows} == {"complete"}


def test_a_pruned_trial_trains_fewer_steps(tiny_task: Path, tmp_path: Path) -> None:
    """The real loop on the tiny model: the random model scores 0 where five trials before had 1."""
    mine = _tiny(tiny_task, tmp_path / "r", "lora", "median", ("weights.num_train_epochs=3",))
    _after_better_ones(mine, steps=range(1, 4), count=5)
    Loop(mine, evaluator(mine), 0, time.time()).run(1)
    row = trials.read(mine.results)[-1]
    folder = RunFolder(mine.results / "runs" / row.run_id)
    record = folder.record()
    assert record is not None
    assert (record.status, record.error) == ("pruned", None)
    assert record.stopped.startswith("stopped at step 2, rung 1")
    assert record.train is not None
    assert record.train.steps == len(list(read_lines(folder.steps))) == 2
    assert (row.state, row.train_steps, row.error) == ("pruned", 2, None)
    assert folder.finished() is None


def test_a_broken_last_epoch_is_a_rung_of_its_own(tiny_task: Path, tmp_path: Path) -> None:
    mine = _tiny(tiny_task, tmp_path / "r", "lora", "median", ("weights.num_train_epochs=1.5",))
    Loop(mine, evaluator(mine), 0, time.time()).run(1)
    row = trials.read(mine.results)[-1]
    assert (row.state, list(row.intermediate), row.train_steps) == ("complete", ["1", "2"], 3)


def test_wilcoxon_stops_answering_example_by_example(tiny_task: Path, tmp_path: Path) -> None:
    rows = [{"id": f"dev-{i}", "input": f"thing dev {i}", "target": "green"} for i in range(60)]
    (tiny_task / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    mine = _tiny(tiny_task, tmp_path / "r", "few_shot", "wilcoxon", (), model="fake:red")
    _after_better_ones(mine, steps=range(60), count=1)
    Loop(mine, evaluator(mine), 0, time.time()).run(1)
    row = trials.read(mine.results)[-1]
    assert (row.state, row.error) == ("pruned", None)
    assert "example by example" in row.stopped
    answers = list(read_lines(RunFolder(mine.results / "runs" / row.run_id).samples))
    assert 8 <= len(answers) < 30


def _tiny(
    task: Path, results: Path, recipe: str, pruner: str, settings: tuple[str, ...], model: str = "tiny"
) -> StudyConfig:
    results.mkdir()
    return make_plan(
        SearchOptions(
            str(task), recipe=recipe, trials=9, results=results, model=model, pruner=pruner, space=settings
        )
    )


def _after_better_ones(mine: StudyConfig, steps: range, count: int) -> None:
    """Puts trials that scored 1 everywhere before those that are run."""
    import optuna

    from harness.search.samplers import distributions, random_points

    study = open_study(mine)
    space = mine.space()
    known: dict[str, Any] = distributions(space)
    for params, _ in zip(random_points(space, count), range(count), strict=False):
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=known,
                value=1.0,
                intermediate_values=dict.fromkeys(steps, 1.0),
            )
        )
    study.enqueue_trial(space.defaults())


def test_equal_scores_on_the_way_are_told_apart_by_dev_loss_and_others_never() -> None:
    from harness.core.protocols import StepRecord
    from harness.search.trial import rung_value

    def value(score: float, loss: float | None) -> float:
        step = StepRecord(step=1, epoch=1.0, loss=1.0, learning_rate=1e-3, grad_norm=1.0, tokens=1,
                          seconds=1.0, dev_loss=loss, dev_score=score)  # fmt: skip
        return rung_value(step)

    assert value(0.0, 0.5) > value(0.0, 2.0) > value(0.0, float("inf")) == value(0.0, float("nan")) == 0.0
    assert value(0.001, 9.0) > value(0.0, 0.0)
    assert value(0.5, None) == 0.5
