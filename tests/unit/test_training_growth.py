"""Dev subsets that grow while a model trains: what is scored, compared and kept."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord
from harness.engines import engine_for
from harness.results import trials
from harness.results.folder import RunFolder, read_lines
from harness.search.trial import rung_value
from harness.training import progressive_eval
from harness.training.settings import TrainingSettings
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search
from tests.unit.training_kit import context, lessons, model

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_a_rung_is_what_a_search_counts_and_grows_by_doubling() -> None:
    for per_epoch in (1, 2, 3, 4):
        for length in (1, 2, 3, 7):
            for total in (1, 2, 5, 9, 14):
                watched = 0
                for step in range(1, total + 1):
                    if step != total and step * per_epoch // length == (step - 1) * per_epoch // length:
                        continue
                    watched = max(watched + 1, math.floor(step / length * per_epoch + 1e-9))
                    assert progressive_eval.rung(step, per_epoch, length) == watched
    assert [progressive_eval.size(rung, 3, 20) for rung in (1, 2, 3, 4, 5, 500)] == [3, 6, 12, 20, 20, 20]


class Dev:
    """Dev of 16 examples, of which the model knows more at each evaluation, the last ones first."""

    def __init__(self, known: Sequence[int]) -> None:
        self.known, self.asked = iter(known), list[int]()

    def __call__(self, of: LanguageModel, count: int = 16) -> list[float | None]:
        self.asked.append(count)
        known = next(self.known)
        return [float(index >= 16 - known) for index in range(16)][:count]


def _trained(folder: Path, known: Sequence[int], **knobs: Any) -> tuple[Any, list[StepRecord], Dev]:
    steps: list[StepRecord] = []
    dev = Dev(known)
    of = dataclasses.replace(
        context(folder, steps, dev=lessons(16), dev_score=lambda m: float(progressive_eval.mean(dev(m)))),
        dev_scores=dev,
    )
    spec = {"kind": "lora", "per_device_train_batch_size": 4, "dev_examples": 16} | knobs
    return build("weights", spec).train(model(), lessons(8), of), steps, dev


def test_only_evaluations_on_all_of_dev_choose_the_checkpoint(tmp_path: Path) -> None:
    known = [16, 15, 12, 8]
    result, steps, dev = _trained(tmp_path, known, num_train_epochs=4, first_dev_examples=4)
    assert dev.asked == [4, 8, 16, 16]
    scores = [(s.dev_score, s.dev_part) for s in steps if s.dev_score is not None]
    assert scores == [(1.0, 4), (0.875, 8), (0.75, None), (0.5, None)]
    assert (result.best_step, result.best_dev_score) == (6, 0.75)
    whole, _, every = _trained(tmp_path, known, num_train_epochs=4)
    assert every.asked == [16, 16, 16, 16]
    assert (whole.best_step, whole.best_dev_score) == (2, 1.0)


def test_patience_counts_evaluations_on_all_of_dev(tmp_path: Path) -> None:
    _, _, dev = _trained(
        tmp_path,
        [16, 15, 14, 13, 12, 11],
        num_train_epochs=6,
        first_dev_examples=4,
        early_stopping_patience=2,
    )
    assert dev.asked == [4, 8, 16, 16, 16]


def test_at_a_rung_short_and_long_trials_are_compared_on_the_same_examples(tmp_path: Path) -> None:
    """The last evaluation of the short one is on all of dev; what is compared is the part of its rung."""
    known = [4, 12, 12, 12]
    _, short, asked = _trained(tmp_path, known, num_train_epochs=2, first_dev_examples=4)
    _, long, _ = _trained(tmp_path, known, num_train_epochs=4, first_dev_examples=4)
    assert asked.asked == [4, 16]
    last = short[-1]
    assert (last.dev_score, last.dev_part, last.rung_score) == (0.75, None, 0.5)
    assert (long[3].dev_score, long[3].dev_part) == (0.5, 8)
    assert rung_value(last) == pytest.approx(rung_value(long[3]), abs=1e-4)


def test_without_the_knob_nothing_changes() -> None:
    settings = TrainingSettings()
    kind = build("weights", "lora")
    assert settings.first_dev_examples == 0
    assert "first_dev_examples" not in kind.identity()
    assert kind.replace(first_dev_examples=4).identity()["first_dev_examples"] == 4


def test_a_search_answers_fewer_dev_examples_and_the_same_in_the_end(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers on the way are counted at the engine; the trained weights are the same, and so is the score
    of the last evaluation and that of the trial."""
    counts: list[list[str]] = []
    real = engine_for.local

    def counting(of: LanguageModel, **settings: Any) -> Any:
        engine = real(of, **settings)
        generate = engine.generate

        def counted(requests: Any) -> Any:
            counts.append([request.id for request in requests])
            return generate(requests)

        engine.generate = counted  # type: ignore[method-assign]
        return engine

    monkeypatch.setattr(engine_for, "local", counting)
    results: dict[int, Any] = {}
    for first in (0, 1):
        counts.clear()
        mine = make_plan(
            SearchOptions(
                str(tiny_task),
                recipe="lora",
                trials=1,
                results=tmp_path / f"r{first}",
                model="tiny",
                space=("weights.num_train_epochs=3", "weights.eval_per_epoch=1"),
                settings=("weights.num_train_epochs=3", f"weights.first_dev_examples={first}"),
            )
        )
        search(mine, say=lambda _: None)
        row = trials.read(mine.results)[-1]
        steps = list(read_lines(RunFolder(mine.results / "runs" / row.run_id).steps))
        results[first] = (counts[:3], row.value, steps[-1])
    (every, value, end), (some, value_of_growing, end_of_growing) = results[0], results[1]
    assert [len(ids) for ids in every] == [6, 6, 6]
    assert [len(ids) for ids in some] == [1, 2, 6]
    assert set(some[0]) < set(some[1]) < set(some[2]) == set(every[2])
    assert value == value_of_growing
    assert (end["dev_score"], end["dev_loss"]) == (end_of_growing["dev_score"], end_of_growing["dev_loss"])
