"""What is seen while it runs: a live table, plain lines for logs, silence."""

from __future__ import annotations

import io
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from harness.core.protocols import StepRecord
from harness.results.records.run import RunRecord
from harness.runner import plain_progress, progress, progress_choice
from harness.runner.live_table import LiveProgress
from harness.runner.plain_progress import PlainProgress
from harness.runner.progress import Progress, Several
from harness.runner.time_left import TimeLeft

RECORD = RunRecord.of({
    "status": "done", "seconds": 12.0, "task": {"primary": "exact"},
    "metrics": {"exact": {"mean": 0.75, "n": 8}, "valid_extracted": {"mean": 1.0, "n": 8}},
})  # fmt: skip


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(at=100.0)
    monkeypatch.setattr(plain_progress.time, "monotonic", lambda: now.at)
    return now


def cell(name: str = "lora") -> Any:
    recipe = SimpleNamespace(
        name=name, weights=(SimpleNamespace(num_train_epochs=3.0, config=lambda: {"num_train_epochs": 3.0}),)
    )
    return SimpleNamespace(
        id=f"task-{name}", key=name, recipe=recipe, seed=0, labels=None, all_examples=range(8)
    )


def step(number: int, epoch: float, **values: Any) -> StepRecord:
    return StepRecord(
        step=number, epoch=epoch, loss=1.5, learning_rate=1e-3, grad_norm=1.0, tokens=100, seconds=0.5,
        stage="0", **values,
    )  # fmt: skip


def drawn(live: LiveProgress) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(live._table())
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_live_table_says_state_progress_rate_time_left_and_dev_score(clock: SimpleNamespace) -> None:
    live, one, other = LiveProgress(), cell(), cell("zero_shot")
    live.plan([one, other])
    assert drawn(live).count("waiting") == 2
    live.state(one, "training")
    live.step(one, step(1, 0.5))
    clock.at += 10
    live.step(one, step(2, 1.0, dev_score=0.625))
    text = drawn(live)
    # Half an epoch took 10 s and two epochs are left.
    for words in ("training", "epoch 1.00", "200 tok/s", "40 s left", "0.625"):
        assert words in text
    live.answering(one, done=2, total=8)
    clock.at += 2
    live.answered(one)
    live.answered(one)
    for words in ("answering", "4/8", "1.0/s", "4 s left", "0.625"):
        assert words in drawn(live)
    live.finished(one, RECORD, fresh=True)
    assert "exact 0.750 (n=8) · valid 100%" in drawn(live)
    live.finished(other, RECORD.changed(status="failed", error="ValueError: no"), fresh=True)
    assert "failed: ValueError: no" in drawn(live)


def test_the_bar_over_all_runs_keeps_to_its_line_and_waits_for_the_runs(clock: SimpleNamespace) -> None:
    live, one = LiveProgress(), cell("a")
    assert drawn(live) == ""
    one.recipe = SimpleNamespace(name="a", weights=())
    live.plan([one])
    live.answering(one, done=0, total=8)
    clock.at += 2
    live.answered(one)
    assert drawn(live).splitlines()[0].endswith(" 12% · 14 s left")


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(0.4, "0 s left"), (99, "99 s left"), (180, "3 min left"), (7200, "2.0 h left")],
)
def test_rest_of_time(seconds: float, message: str) -> None:
    assert progress.left(seconds) == message


def test_logs_get_plain_lines_on_stderr(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    plain, one = PlainProgress(), cell()
    plain.plan([one])
    plain.state(one, "training")
    plain.step(one, step(1, 0.5))
    clock.at += 11
    plain.step(one, step(2, 1.0, dev_score=0.5))
    plain.answering(one, done=0, total=8)
    plain.answered(one)
    clock.at += 11
    plain.answered(one)
    plain.finished(one, RECORD, fresh=False)
    output = capsys.readouterr()
    assert output.out == ""
    assert "\x1b" not in output.err
    assert [line.removeprefix("task-lora: ") for line in output.err.splitlines()] == [
        "1 run; finished ones are not repeated",
        "training",
        "epoch 1.00 step 2 loss 1.500 · dev score 0.500 · 44 s left of this training",
        "answering 8 examples",
        "answered 2/8",
        "exact 0.750 (n=8) · valid 100% · already done",
    ]


def test_a_log_is_not_silent_while_nothing_new_is_heard(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first answers of the bundled model came after 99 s on a busy machine."""
    plain, one, other = PlainProgress(), cell(), cell("zero_shot")
    plain.plan([one, other])
    plain.answering(one, done=0, total=8)
    clock.at += 9
    plain.still()
    clock.at += 2
    plain.still()
    plain.still()
    plain.answered(one)
    plain.state(other, "starting")
    clock.at += 30
    plain.still()
    plain.finished(one, RECORD, fresh=True)
    plain.finished(other, RECORD, fresh=True)
    clock.at += 60
    plain.still()
    lines = [line.partition(": ")[::2] for line in capsys.readouterr().err.splitlines()[1:]]
    assert [words for words in lines if "exact" not in words[1]] == [
        ("task-lora", "answering 8 examples"),
        ("task-lora", "answered 0/8 … 11 s"),
        ("task-zero_shot", "loading the model"),
        ("task-lora", "answered 1/8 … 41 s"),
    ]


def test_a_log_ticks_while_it_is_open_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plain_progress, "TICK", 0.001)
    ticked = threading.Event()
    plain, one = PlainProgress(every=0.0), cell()
    monkeypatch.setattr(plain, "still", ticked.set)
    with plain:
        plain.state(one, "starting")
        assert ticked.wait(10)
    ticked.clear()
    with plain:
        assert ticked.wait(10), "it can be opened again"


def test_without_a_guess_a_training_says_how_long_it_goes_on(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, one = PlainProgress(), cell()
    plain.plan([one])
    plain.step(one, step(1, 0.5))
    clock.at += 20
    plain.step(one, step(2, 1.0, dev_score=0.5))
    assert capsys.readouterr().err.splitlines()[-1].endswith("dev score 0.500 · 80 s left of this training")


def test_a_log_counts_the_answers_of_runs_side_by_side_apart(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, one, other = PlainProgress(), cell(), cell("zero_shot")
    plain.answering(one, done=0, total=8)
    plain.answering(other, done=5, total=20)
    for _ in range(3):
        plain.answered(one)
    clock.at += 11
    plain.answered(other)
    clock.at += 11
    plain.answered(one)
    assert capsys.readouterr().err.splitlines()[2:] == [
        "task-zero_shot: answered 6/20",
        "task-lora: answered 4/8",
    ]


def test_the_time_left_is_of_as_many_runs_side_by_side_as_are_at_work(clock: SimpleNamespace) -> None:
    left, cells = TimeLeft(), [cell(name) for name in ("a", "b", "c")]
    for one in cells:
        one.recipe = SimpleNamespace(name=one.recipe.name, weights=())
    left.plan(cells)
    assert left.seconds is None
    left.state(cells[0], "starting")
    left.answering(cells[0], done=0, total=8)
    clock.at += 2
    left.answered(cells[0])
    assert left.seconds == 7 * 2 + 8 * 2 + 8 * 2  # one process: one after another
    left.state(cells[1], "starting")
    assert left.seconds == (7 * 2 + 8 * 2 + 8 * 2) / 2
    left.finished(cells[0])
    left.state(cells[2], "starting")
    left.answering(cells[2], done=6, total=8)
    assert left.seconds == 16  # the longest of them cannot be divided
    left.state(cells[1], "waiting")
    assert left.seconds == 16 + 4


def test_what_is_chosen_fits_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(progress_choice.choose(quiet=True)) is Progress
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: False))
    assert type(progress_choice.choose(quiet=False)) is PlainProgress
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    assert type(progress_choice.choose(quiet=False)) is LiveProgress


def test_several_are_all_told_and_all_left(clock: SimpleNamespace) -> None:
    messages: list[str] = []

    class Listener(Progress):
        def __init__(self, name: str) -> None:
            self.name = name

        def __exit__(self, *_: object) -> None:
            messages.append(f"{self.name} left")

        def state(self, cell: Any, state: str) -> None:
            messages.append(f"{self.name} {state}")

    with Several([Listener("a"), Listener("b")]) as both:
        both.state(cell(), "training")
    assert messages == ["a training", "b training", "b left", "a left"]


def test_what_is_left_out_is_over_and_says_why(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    live, plain, one, other = LiveProgress(), PlainProgress(), cell("zero_shot"), cell()
    both = Several([live, plain])
    both.plan([one, other])
    both.finished(one, RECORD, fresh=True)
    both.left_out(other, "it could not change the verdict")
    text = drawn(live)
    assert "100%" in text.splitlines()[0]
    assert "left out" in text
    assert "it could not change the verdict" in text
    assert "task-lora: left out: it could not change the verdict" in capsys.readouterr().err
