"""The time that is left, once what has been measured corrects what was guessed."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from harness.core.protocols import StepRecord
from harness.results.records.run import RunRecord
from harness.runner import plain_progress
from harness.runner.forecast import Forecast, Guess
from harness.runner.live_table import LiveProgress
from harness.runner.plain_progress import PlainProgress
from harness.runner.time_left import TimeLeft

RECORD = RunRecord.of({"status": "done", "seconds": 40.0, "task": {"primary": "exact"}})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(at=100.0)
    monkeypatch.setattr(plain_progress.time, "monotonic", lambda: now.at)
    return now


def cell(name: str, epochs: float | None = None) -> Any:
    stage = SimpleNamespace(num_train_epochs=epochs, config=lambda: {"num_train_epochs": epochs})
    recipe = SimpleNamespace(name=name, weights=() if epochs is None else (stage,))
    return SimpleNamespace(
        id=f"task-{name}", key=name, recipe=recipe, seed=0, labels=None, all_examples=range(8)
    )


def step(number: int, epoch: float, **values: Any) -> StepRecord:
    return StepRecord(
        step=number, epoch=epoch, loss=1.5, learning_rate=1e-3, grad_norm=1.0, tokens=100, seconds=0.5,
        stage="0", **values,
    )  # fmt: skip


def answer(
    left: TimeLeft | PlainProgress | LiveProgress, one: Any, clock: SimpleNamespace, seconds: float
) -> None:
    """All eight answers of a cell, in so many seconds."""
    left.state(one, "starting")
    left.answering(one, done=0, total=8)
    for _ in range(8):
        clock.at += seconds / 8
        left.answered(one)


def test_a_busy_machine_corrects_the_guesses_of_what_has_not_begun(clock: SimpleNamespace) -> None:
    left, cells = TimeLeft(), [cell("zero_shot"), cell("few_shot"), cell("lora", 3.0)]
    left.expect({"zero_shot": 10.0, "few_shot": 20.0, "lora": 100.0})
    left.plan(cells)
    assert left.seconds is None, "nothing is measured yet"
    answer(left, cells[0], clock, 40.0)
    left.finished(cells[0])
    assert left.seconds == 4 * (20 + 100), "four times as slow as guessed"


def test_what_trains_is_corrected_by_what_trained(clock: SimpleNamespace) -> None:
    left, cells = TimeLeft(), [cell("zero_shot"), cell("lora", 2.0), cell("full", 2.0)]
    left.expect({"zero_shot": 10.0, "lora": 100.0, "full": 200.0})
    left.plan(cells)
    answer(left, cells[0], clock, 40.0)
    left.finished(cells[0])
    left.state(cells[1], "training")
    left.step(cells[1], step(1, 0.0))
    clock.at += 50
    left.step(cells[1], step(2, 0.5))  # a quarter took 50 s: 200 s in all, twice as long as guessed
    answers = 8 * 40 / 8
    assert left.seconds == pytest.approx(150 + answers + 2 * 200)


def test_the_first_steps_of_a_training_correct_nothing_yet(clock: SimpleNamespace) -> None:
    left, cells = TimeLeft(), [cell("lora", 2.0), cell("full", 2.0)]
    left.expect({"lora": 100.0, "full": 200.0})
    left.plan(cells)
    left.state(cells[0], "training")
    left.step(cells[0], step(1, 0.0))
    clock.at += 30
    left.step(cells[0], step(2, 0.1))
    assert left.seconds is None


def test_a_cell_that_waits_for_others_between_rounds_corrects_nothing(clock: SimpleNamespace) -> None:
    left, cells = TimeLeft(), [cell("zero_shot"), cell("few_shot")]
    left.expect({"zero_shot": 8.0, "few_shot": 80.0})
    left.plan(cells)
    answer(left, cells[0], clock, 8.0)
    left.state(cells[0], "waiting")
    clock.at += 1000
    left.finished(cells[0])
    assert left.seconds == 8, "by the mean of the answers, as without a guess"


def test_what_was_done_before_corrects_nothing(clock: SimpleNamespace) -> None:
    left, cells = TimeLeft(), [cell("zero_shot"), cell("few_shot")]
    left.expect({"few_shot": 80.0})
    left.plan(cells)
    left.finished(cells[0])
    assert left.seconds is None


def test_a_log_says_the_time_left_of_all_runs_where_it_was_guessed(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, cells = PlainProgress(), [cell("zero_shot"), cell("lora", 2.0)]
    guesses = {
        "zero_shot": Guess(recipe="zero_shot", seconds=10.0),
        "lora": Guess(recipe="lora", seconds=100.0),
    }
    plain.forecast(lambda: Forecast(guesses=guesses))
    plain.plan(cells)
    answer(plain, cells[0], clock, 40.0)
    plain.finished(cells[0], RECORD, fresh=True)
    plain.state(cells[1], "timing")
    first, _, loading, _, *answered, ended, timing = capsys.readouterr().err.splitlines()
    assert "(zero_shot 10 s, lora 100 s)" in first.replace("2 min", "100 s")
    assert loading == "task-zero_shot: loading the model"
    assert [line.partition(" · ")[0] for line in answered] == [
        f"task-zero_shot: answered {n}/8" for n in (2, 4, 6, 8)
    ]
    assert ended.endswith(" · 40 s · 7 min left for all runs")
    assert timing == "task-lora: measuring speed"


def test_a_log_without_a_guess_says_nothing_about_all_runs(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, cells = PlainProgress(), [cell("zero_shot"), cell("few_shot")]
    plain.plan(cells)
    answer(plain, cells[0], clock, 40.0)
    plain.state(cells[0], "waiting")
    plain.finished(cells[0], RECORD, fresh=True)
    printed = capsys.readouterr().err
    assert "left" not in printed
    assert "waiting" not in printed


def test_the_table_shows_the_corrected_time_of_what_trains_before_it_trains(clock: SimpleNamespace) -> None:
    live, cells = LiveProgress(), [cell("zero_shot"), cell("lora", 2.0)]
    guesses = {
        "zero_shot": Guess(recipe="zero_shot", seconds=10.0),
        "lora": Guess(recipe="lora", seconds=100.0),
    }
    live.forecast(lambda: Forecast(guesses=guesses))
    live.plan(cells)
    answer(live, cells[0], clock, 40.0)
    live.finished(cells[0], RECORD, fresh=True)
    console = Console(file=io.StringIO(), width=160)
    console.print(live._table())
    assert console.file.getvalue().splitlines()[0].endswith(" 50% · 7 min left")  # type: ignore[attr-defined]
