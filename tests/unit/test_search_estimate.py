"""What a search says about its length before it begins, and when it asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import RunError
from harness.estimate import flops_estimate
from harness.results.folder import read_lines
from harness.search.duration_estimate import Estimate
from harness.search.trial import evaluator
from harness.tasks.load import load, without_test
from harness.workflows import search as session
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search
from tests.unit.search_kit import fake, plan

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that does 10⁹ operations a second, whatever its load."""
    flops_estimate.machine_speed.cache_clear()
    monkeypatch.setattr(flops_estimate._Speed, "_timed", lambda self, rows: 1e9)
    yield
    flops_estimate.machine_speed.cache_clear()


def seconds(task: Path, results: Path, recipe: str, *overrides: str, **more: Any) -> float | None:
    given: dict[str, Any] = {"model": "tiny"} | more
    if recipe == "zero_shot":
        given["space"] = ("program.constrain=false,true",)  # It declares no range of its own.
    mine = make_plan(
        SearchOptions(str(task), recipe=recipe, trials=4, results=results, settings=overrides, **given)
    )
    asked = {"labels": mine.labels, "limit": mine.limit, "seed": mine.seed}
    return flops_estimate.seconds_per_trial(mine.default(), mine.model, without_test(load(task)), **asked)


def test_the_rough_estimate_follows_the_work(steady: None, tiny_task: Path, tmp_path: Path) -> None:
    def of(recipe: str, *overrides: str, **more: Any) -> float:
        result = seconds(tiny_task, tmp_path / "r", recipe, *overrides, **more)
        assert result is not None
        return result

    none = "weights.dev_examples=0"
    answering = of("zero_shot")
    once, twice = (of("lora", none, f"weights.num_train_epochs={n}") for n in (1, 2))
    assert twice - answering == pytest.approx(2 * (once - answering), rel=0.35)
    assert of("lora", "weights.num_train_epochs=1") > once
    assert of("full", none, "weights.num_train_epochs=1") > once > answering
    assert of("lora", none, "weights.num_train_epochs=1", labels=4) < once
    assert of("zero_shot", limit=2) < answering < of("few_shot")


def test_full_finetuning_takes_six_operations_for_each_parameter_and_token(
    steady: None, tiny_task: Path, tmp_path: Path
) -> None:
    """Against the textbook's 6 N T, with T from the tokens of the lessons."""
    from harness.core.values import Message
    from harness.models.chat import load_chat
    from harness.models.dimensions import shape

    knobs = ("weights.dev_examples=0", "weights.num_train_epochs=1", "weights.per_device_train_batch_size=1")
    whole = seconds(tiny_task, tmp_path / "r", "full", *knobs)
    answers = seconds(tiny_task, tmp_path / "r", "zero_shot")
    assert whole is not None
    assert answers is not None
    rows = list(read_lines(tiny_task / "train.jsonl"))
    chat = load_chat("tiny")
    asked = [(Message("system", "Say the colour."), Message("user", row["input"])) for row in rows]
    tokens = sum(len(chat.encode(messages)) for messages in asked)
    tokens += sum(len(chat.encode_answer(row["target"])) for row in rows)
    expected = 6 * shape("tiny").parameters * tokens / (flops_estimate.SHARE * 1e9)
    assert whole - answers == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("recipe", "model"), [("few_shot", "fake:red"), ("lora_dpo", "tiny"), ("lora_grpo", "tiny")]
)
def test_what_cannot_be_told_is_not_guessed(tiny_task: Path, tmp_path: Path, recipe: str, model: str) -> None:
    assert seconds(tiny_task, tmp_path / "r", recipe, model=model) is None


def test_a_real_search_says_it_before_its_first_trial(steady: None, tiny_task: Path, tmp_path: Path) -> None:
    mine = make_plan(
        SearchOptions(str(tiny_task), recipe="few_shot", trials=2, results=tmp_path / "r", model="tiny")
    )
    lines: list[str] = []
    search(mine, make=evaluator, say=lines.append)
    assert "for 2 trials roughly, by the model's size" in lines[0]
    assert lines[1].startswith("trial 0: complete")
    assert "for 1 trial by the first" in lines[2]
    more = make_plan(
        SearchOptions(str(tiny_task), recipe="few_shot", trials=3, results=tmp_path / "r", model="tiny")
    )
    lines.clear()
    search(more, make=evaluator, say=lines.append)
    assert "for 1 trial by earlier runs" in lines[0]
    assert not any("by the first" in line for line in lines)


@pytest.mark.parametrize(("guess", "asked"), [(None, 1), (1e-9, 2), (1e9, 1)])
def test_it_asks_again_only_where_the_first_trial_shows_that_it_takes_longer(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guess: float | None, asked: int
) -> None:
    result = None if guess is None else Estimate(seconds=guess, source="roughly", rough=True)
    monkeypatch.setattr(session, "foreseen", lambda plan, task: result)
    questions: list[float] = []
    search(
        plan(tiny_task, tmp_path / "r", 3),
        make=fake,
        say=lambda _: None,
        confirm=lambda seconds: questions.append(seconds) is None,
    )
    assert len(questions) == asked


def test_refused_before_it_begins_nothing_is_run(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess = Estimate(seconds=9.0, source="roughly", rough=True)
    monkeypatch.setattr(session, "foreseen", lambda plan, task: guess)
    questions: list[float] = []
    with pytest.raises(RunError, match="cancelled: the estimate was not confirmed"):
        search(
            plan(tiny_task, tmp_path / "r", 3),
            make=fake,
            say=lambda _: None,
            confirm=lambda seconds: bool(questions.append(seconds)),
        )
    assert questions == [27.0]
    assert not (tmp_path / "r" / "calls.jsonl").exists()


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from harness.workflows import search_output

    questions: list[str] = []
    monkeypatch.setattr(typer, "confirm", lambda text, err: bool(questions.append(text)))
    assert search_output.ask(10 * search_output.LONG)
    monkeypatch.setattr(search_output.sys.stdin, "isatty", lambda: True, raising=False)
    assert search_output.ask(search_output.LONG / 2)
    assert questions == []
    assert not search_output.ask(10 * search_output.LONG)
    assert questions == ["Go on for about 10.0 hours?"]


def test_a_speed_is_taken_once_for_a_size() -> None:
    speed = flops_estimate._Speed(32)
    result = speed(1000.0)
    assert result > 0
    assert speed(200.0) == result
    assert speed(4.0) != result
