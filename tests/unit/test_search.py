"""Search: what is proposed, what is never run twice, what survives a kill, and what is refused."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError, RunError
from harness.results import trials
from harness.results.folder import read_lines
from harness.results.records.trial import TrialRecord
from harness.search.space import space
from harness.search.study_config import StudyConfig
from harness.search.study_result import SearchResult
from harness.search.trial_loop import SearchWork, open_study
from harness.workflows.search import search
from tests.unit.search_kit import BEST_RATE, failing, fake, level, plan, silent, slow

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def quiet(_: str) -> None: ...


def calls(results: Path, state: str) -> list[dict[str, Any]]:
    return [line for line in read_lines(results / "calls.jsonl") if line["state"] == state]


def test_the_defaults_come_first_and_the_best_is_near_the_known_one(tiny_task: Path, tmp_path: Path) -> None:
    mine = plan(tiny_task, tmp_path / "r", 30)
    result = search(mine, make=fake, say=quiet)
    assert result.rows[0].params == {"weights.learning_rate": 1e-3, "weights.lora_r": 16}
    assert result.best.value > result.rows[0].value
    assert 1e-4 < result.best.params["weights.learning_rate"] < 1e-3
    assert sum(row.duplicate_of is None for row in result.rows) == 30


def test_where_all_score_nothing_the_sampler_goes_by_dev_loss(tiny_task: Path, tmp_path: Path) -> None:
    def distance(name: str, make: Any) -> float:
        """From the best rate, in decades, over the last trials of two searches."""
        far = []
        for seed in (0, 1):
            result = search(plan(tiny_task, tmp_path / f"{name}{seed}", 24, seed=seed), make=make, say=quiet)
            assert all(row.value == 0.0 for row in result.rows)
            rates = [row.params["weights.learning_rate"] for row in result.rows[-8:]]
            far += [abs(math.log10(rate / BEST_RATE)) for rate in rates]
        return statistics.mean(far)

    assert distance("level", level) < 0.5 * distance("silent", silent)


def test_the_same_command_runs_nothing_again_and_more_trials_go_on(tiny_task: Path, tmp_path: Path) -> None:
    search(plan(tiny_task, tmp_path / "r", 4), make=fake, say=quiet)
    search(plan(tiny_task, tmp_path / "r", 4), make=fake, say=quiet)
    assert len(calls(tmp_path / "r", "begun")) == 4
    search(plan(tiny_task, tmp_path / "r", 6), make=fake, say=quiet)
    assert len(calls(tmp_path / "r", "begun")) == 6


def test_a_run_that_was_there_already_has_no_part_in_the_share_of_training() -> None:
    """Two such trials once made it 102 %."""

    def row(number: int, seconds: float, train: float) -> TrialRecord:
        return TrialRecord(study="s", number=number, seconds=seconds, train_seconds=train, train_steps=3)

    rows = (row(0, 10.0, 6.0), row(1, 0.01, 6.0), row(2, 10.0, 8.0))
    result = SearchResult(study="s", rows=rows, best=rows[0], front=())
    assert result.time() == {"trials": 20.0, "training": 14.0, "share_training": 0.7, "steps": 9}


def test_no_configuration_is_run_twice_and_a_small_space_ends(tiny_task: Path, tmp_path: Path) -> None:
    mine = plan(
        tiny_task,
        tmp_path / "r",
        40,
        space=("weights.lora_r=4,8", "weights.num_train_epochs=1,2,3"),
        only=("weights.lora_r",),
    )
    search(mine, make=fake, say=quiet)
    assert len(calls(tmp_path / "r", "begun")) == 6


def test_two_processes_share_a_study_and_never_a_trial(tiny_task: Path, tmp_path: Path) -> None:
    mine = plan(tiny_task, tmp_path / "r", 10, storage=f"sqlite:///{tmp_path}/s.db")
    result = search(mine, jobs=2, make=slow, say=quiet)
    run = calls(tmp_path / "r", "begun")
    assert len({call["number"] for call in run}) == len(run) == 10
    assert len({(call["rate"], call["r"]) for call in run}) == 10
    assert sum(row.state == "complete" for row in result.rows) == 10


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/s.db"])
def test_a_killed_worker_loses_no_trial(tiny_task: Path, tmp_path: Path, storage: str | None) -> None:
    """Killed in its third trial; the same configuration is then run to its end, and counted once."""
    mine = plan(tiny_task, tmp_path / "r", 5, storage=storage and storage.format(tmp_path))
    (tmp_path / "r").mkdir()
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(mine,))
    worker.start()
    deadline = time.monotonic() + 60
    while len(calls(tmp_path / "r", "begun")) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    killed = calls(tmp_path / "r", "begun")[-1]
    assert killed["number"] not in {call["number"] for call in calls(tmp_path / "r", "ended")}
    result = search(mine, make=fake, say=quiet)
    ended = [(call["rate"], call["r"]) for call in calls(tmp_path / "r", "ended")]
    assert (killed["rate"], killed["r"]) in ended
    assert len(ended) == len(set(ended)) == 5
    states = [row.state for row in result.rows if row.duplicate_of is None]
    assert (states.count("complete"), states.count("fail")) == (5, 1)


def _work(mine: StudyConfig) -> None:
    warnings.simplefilter("ignore")
    open_study(mine).enqueue_trial(mine.space().defaults())
    SearchWork(plan=mine, began=time.time(), evaluator=slow)()((0, None), lambda _: None)


def test_several_objectives_give_a_front_that_nothing_beats(tiny_task: Path, tmp_path: Path) -> None:
    mine = plan(tiny_task, tmp_path / "r", 15, objective="score,memory")
    result = search(mine, make=fake, say=quiet)
    for row in result.front:
        for other in result.rows:
            better = other.objectives["score"] > row.objectives["score"]
            assert not (better and other.objectives["memory"] <= row.objectives["memory"])
    assert result.best in result.front


def test_a_constraint_excludes_trials_from_the_best(tiny_task: Path, tmp_path: Path) -> None:
    result = search(plan(tiny_task, tmp_path / "r", 12, constraint=("memory<=8",)), make=fake, say=quiet)
    assert result.best.params["weights.lora_r"] <= 8
    assert any(row.params["weights.lora_r"] > 8 for row in result.rows)
    with pytest.raises(RunError, match="satisfies the constraints"):
        search(plan(tiny_task, tmp_path / "r", 3, constraint=("memory<=1",)), make=fake, say=quiet)


def test_a_warm_start_tries_the_best_of_an_earlier_study(tiny_task: Path, tmp_path: Path) -> None:
    old = search(plan(tiny_task, tmp_path / "r", 12), make=fake, say=quiet)
    new = plan(tiny_task, tmp_path / "r", 4, seed=7)
    result = search(new, make=fake, say=quiet, warm_start=(old.study,))
    assert result.rows[1].params == old.best.params
    with pytest.raises(ConfigError, match="unknown study"):
        search(plan(tiny_task, tmp_path / "r", 4, seed=8), make=fake, say=quiet, warm_start=("nope",))


def test_all_failing_says_the_first_cause(tiny_task: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="all 3 trials failed; the first: RuntimeError: broken 0") as caught:
        search(plan(tiny_task, tmp_path / "r", 3), make=failing, say=quiet)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": ("weights.learning_rat=1..2",)}, "did you mean 'weights.learning_rate'"),
        ({"space": ("weights.learning_rate=1e-3..1e-5",)}, "empty range"),
        ({"space": ("weights.learning_rate=0..1:log",)}, "begins above 0"),
        ({"space": ("weights.learning_rate=-2..-1",)}, "no trial can satisfy"),
        ({"only": ("weights.lora_rank",)}, "did you mean 'weights.lora_r'"),
        ({"objective": "scores"}, "did you mean 'score'"),
        ({"constraint": ("memory>4",)}, "name<=number"),
        ({"pruner": "medium"}, "did you mean 'median'"),
        ({"limit": 0}, "--limit"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(
    tiny_task: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(tiny_task, tmp_path / "r", **changes)


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.db", "nonsense", "postgresql://u:secret@localhost:1/x"]
)
def test_a_storage_that_cannot_be_reached_is_refused(tiny_task: Path, tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be reached") as caught:
        search(plan(tiny_task, tmp_path / "r", storage=url), make=fake, say=quiet)
    assert "secret" not in str(caught.value)


def test_alpha_can_be_tied_to_rank(tiny_task: Path, tmp_path: Path) -> None:
    mine = plan(
        tiny_task, tmp_path / "r", space=("weights.lora_alpha=2*weights.lora_r",), only=("weights.lora_r",)
    )
    stage: Any = mine.space().apply({"weights.lora_r": 64}).weights[0]
    assert (stage.lora_r, stage.lora_alpha) == (64, 128)


def test_prompts_and_retrieval_have_a_space_too() -> None:
    from harness.core.recipes import load

    names = {dimension.name for dimension in space(load("bm25_rag")).free}
    assert {"program.k", "program.retriever.k1", "program.retriever.chunk_size"} <= names
    assert "program.k" in {dimension.name for dimension in space(load("few_shot")).free}


def test_a_line_that_a_kill_cut_off_is_left_out(tiny_task: Path, tmp_path: Path) -> None:
    search(plan(tiny_task, tmp_path / "r", 3), make=fake, say=quiet)
    with (tmp_path / "r" / "trials.jsonl").open("a") as stream:
        stream.write('{"study": "x", "numb')
    assert len(trials.read(tmp_path / "r")) == 3


def test_trials_are_in_the_store(tiny_task: Path, tmp_path: Path) -> None:
    from harness.results.database.store import Store

    search(plan(tiny_task, tmp_path / "r", 3), make=fake, say=quiet)
    with Store.open(tmp_path / "r", write=False) as store:
        assert len(list(store.rows("SELECT number FROM trials WHERE state = 'complete'"))) == 3
