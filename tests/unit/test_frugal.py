"""Order by cost, the verdict on the way, and `--frugal`: training that cannot change the answer is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.engines.fake import FakeEngine
from harness.evidence import worth_training
from harness.evidence.label_curve import LabelCurve, LabelPoint, label_curve
from harness.evidence.triage import Triage
from harness.evidence.triage_forecast import Prediction
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import RecipeSummary
from harness.results import live
from harness.runner import cells, frugal
from harness.runner.progress import Progress
from harness.runner.runner import run as run_cells
from harness.workflows import run as workflow
from harness.workflows.options.run import RunOptions
from harness.workflows.so_far import SoFar
from tests.simulate.world import run


def triage(*, worth: bool, certain: bool) -> Triage:
    forecast = Prediction(recipes=("lora", "qlora"), worth=worth, certain=certain, because="5 % is form")
    return Triage(
        n=50, lost=0.5, shares=(), dominant=None, certain=True, train_overlap=0.0, predictions=(forecast,)
    )


def summaries(*scores: float, n: int = 2_000) -> Sequence[RecipeSummary]:
    """Of recipes that train nothing, right on these shares of the examples."""
    runs = [run(f"r{i}", [float(j < score * n) for j in range(n)]) for i, score in enumerate(scores)]
    return decide("task", "model", "exact", 0.02, runs).summaries


def curve(*means: float, n: int = 4_000) -> LabelCurve:
    """A curve of 25, 50, 100 … labels whose scores are these."""
    runs = {25 * 2**i: [run("lora", [float(j < mean * n) for j in range(n)])] for i, mean in enumerate(means)}
    return label_curve("lora", runs, {}, 0.02)


def point(labels: int, mean: float) -> LabelPoint:
    return LabelPoint(labels=labels, mean=mean, low=mean - 0.01, high=mean + 0.01, n=400, seeds=3)


def test_a_diagnosis_rules_out_only_what_it_is_sure_of() -> None:
    assert "5 % is form" in worth_training.ruled_out(triage(worth=False, certain=True), "lora")
    assert worth_training.ruled_out(triage(worth=False, certain=True), "full") == ""
    assert worth_training.ruled_out(triage(worth=False, certain=False), "lora") == ""
    assert worth_training.ruled_out(triage(worth=True, certain=True), "lora") == ""
    assert worth_training.ruled_out(None, "lora") == ""


def test_nothing_is_to_gain_over_a_prompt_that_is_nearly_always_right() -> None:
    assert "r1 scores 100.0 points" in worth_training.nothing_to_gain(summaries(0.5, 1.0), 0.02)
    assert worth_training.nothing_to_gain(summaries(0.5, 0.97), 0.02) == ""
    # Ten right answers of ten may be 7 of 10.
    assert worth_training.nothing_to_gain(summaries(0.5, 1.0, n=10), 0.02) == ""
    assert worth_training.nothing_to_gain((), 0.02) == ""


def test_a_curve_is_cut_where_its_next_point_gains_less_than_the_margin_or_stays_below_a_prompt() -> None:
    flat = LabelCurve(
        recipe="lora", points=(point(25, 0.5), point(50, 0.5)), overtakes=(), last_doubling=0.0, low=-0.01,
        high=0.01, worth_more="no", sentence="", next_doubling=0.0, next_low=-0.01, next_high=0.015,
    )  # fmt: skip
    assert "less than the margin of 2" in worth_training.curve_is_flat(flat, 100, (), 0.02)
    # Two doublings may gain twice as much.
    assert worth_training.curve_is_flat(flat, 200, (), 0.02) == ""
    assert worth_training.curve_is_flat(flat, 50, (), 0.02) == ""
    reason = worth_training.curve_is_flat(flat, 200, summaries(0.7), 0.02)
    assert "can reach 54.0 points at most" in reason
    assert worth_training.curve_is_flat(flat, 200, summaries(0.5), 0.02) == ""


def test_a_rising_curve_goes_on() -> None:
    assert worth_training.curve_is_flat(curve(0.3, 0.45, 0.6), 200, summaries(0.7), 0.02) == ""


def test_prompts_come_before_retrieval_and_retrieval_before_training(tiny_task: Path) -> None:
    options = RunOptions(
        str(tiny_task), model=("tiny",), recipes=("lora", "bm25_rag", "zero_shot", "rag_lora", "few_shot")
    )
    order = [cell.recipe.name for cell in cells.plan(workflow.experiment(options))]
    assert order == ["zero_shot", "few_shot", "bm25_rag", "lora", "rag_lora"]


class Heard(Progress):
    def __init__(self) -> None:
        self.events: list[str] = []

    def so_far(self, verdict: str) -> None:
        self.events.append(verdict)

    def finished(self, cell: Any, record: Any, *, fresh: bool) -> None:
        self.events.append(cell.recipe.name)

    def left_out(self, cell: Any, why: str) -> None:
        self.events.append(f"{cell.recipe.name} left out: {why}")


def test_the_verdict_over_prompts_is_said_while_retrieval_goes_on(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    heard = Heard()
    options = RunOptions(str(tiny_task), model=("fake",), recipes=("bm25_rag", "few_shot", "zero_shot"))
    chosen = workflow.experiment(options)
    workflow.run(chosen, tmp_path / "results", progress=heard, report=tmp_path / "r.html")
    order = [event.split(":")[0] for event in heard.events]
    sentence = next(i for i, event in enumerate(order) if event.startswith("verdict so far ("))
    assert order.index("bm25_rag") > sentence
    assert {"zero_shot", "few_shot"} <= set(order[: sentence + 1])
    assert "bm25_rag" not in order[sentence]


def test_one_recipe_that_ended_is_no_verdict(tiny_task: Path, tmp_path: Path) -> None:
    """The other one was skipped or failed."""
    heard = Heard()
    options = RunOptions(
        str(tiny_task), model=("tiny",), recipes=("bm25_rag", "few_shot", "zero_shot"), limit=4
    )
    planned = cells.plan(workflow.experiment(options))
    run_cells(planned[:1], tmp_path, progress=heard)
    so_far = SoFar(planned, tmp_path, heard)
    for cell in planned[:2]:
        so_far.finished(cell.id)
    assert heard.events == [planned[0].recipe.name]


def test_what_is_left_out_is_not_run_and_is_said(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frugal, "read_triage", lambda *_, **__: triage(worth=False, certain=True))
    options = RunOptions(
        str(tiny_task), model=("tiny",), recipes=("zero_shot", "lora"), limit=2, results=tmp_path / "results",
        report=tmp_path / "r.html", quiet=True, frugal=True,
    )  # fmt: skip
    done = workflow.from_options(options)
    assert done is not None
    assert [record.recipe.name for record in done.outcome.records] == ["zero_shot"]
    (left,) = done.left_out
    assert left.sentence == ("lora left out: the probes rule it out: 5 % is form; drop --frugal to train it")
    assert left.sentence in done.report.read_text("utf-8")
    run = live.read(tmp_path / "results", "colours")
    assert run is not None
    assert [cell.state for cell in run.cells] == ["done", "left out"]


def test_a_training_that_is_finished_is_kept(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frugal, "read_triage", lambda *_, **__: triage(worth=False, certain=True))
    options = RunOptions(
        str(tiny_task), model=("tiny",), recipes=("zero_shot", "lora", "qlora"), limit=2,
        settings=("weights.num_train_epochs=1",),
    )  # fmt: skip
    planned = cells.plan(workflow.experiment(options))
    results, heard = tmp_path / "results", Heard()
    run_cells(planned[:2], results, progress=Progress())
    done = frugal.run(planned, results, progress=heard)
    assert [record.recipe.name for record in done.outcome.records] == ["zero_shot", "lora"]
    assert "qlora left out: the probes rule it out: 5 % is form" in heard.events
    again = frugal.run(planned, results, progress=Progress(), fresh=True)
    assert [record.recipe.name for record in again.outcome.records] == ["zero_shot"]


def test_stages_are_untrained_first_then_by_labels(tiny_task: Path) -> None:
    options = RunOptions(
        str(tiny_task), model=("tiny",), recipes=("lora", "zero_shot", "full"), labels=(4, 8)
    )
    stages = frugal._ordered(cells.plan(workflow.experiment(options)))
    assert [[(c.recipe.name, c.labels) for c in stage] for stage in stages] == [
        [("zero_shot", None)], [("lora", 4), ("full", 4)], [("lora", 8), ("full", 8)],
    ]  # fmt: skip


def test_frugal_and_stop_when_sure_are_two_ways(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    options = RunOptions(
        str(tiny_task),
        model=("fake",),
        results=tmp_path / "results",
        frugal=True,
        stop_when_sure=True,
        quiet=True,
    )
    with pytest.raises(ConfigError, match="leave out one"):
        workflow.from_options(options)
