"""What is scored otherwise is not asked again, and what cannot be asked is not asked twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.engines.fake import FakeEngine
from harness.results import run_scores
from harness.runner.cells import Cell, plan
from harness.runner.progress import Progress
from harness.runner.runner import Outcome, run
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions
from tests.conftest import edit_task

EXACT = "scorers: [{kind: exact}]\nprimary: exact"
F1 = "scorers: [{kind: f1}]\nprimary: f1"
CHOICE = "{kind: choice, choices: [red, green, blue]}"


class Interrupted(Progress):
    """Is interrupted after three answers."""

    answers = 0

    def answered(self, cell: Cell) -> None:
        self.answers += 1
        if self.answers == 3:
            raise KeyboardInterrupt


def cell(task: Path, recipe: str = "zero_shot", *settings: str, model: str = "fake", **more: Any) -> Cell:
    experiment = session.experiment(
        RunOptions(str(task), model=(model,), recipes=(recipe,), settings=settings, **more)
    )
    return plan(experiment)[0]


def go(of: Cell, folder: Path) -> Outcome:
    return run([of], folder / "r", progress=Progress())


def rows(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (outcome.folders[0] / "samples.jsonl").read_text().splitlines()]


DEV, NO_DEV = "weights.dev_examples=2", "weights.dev_examples=0"
CONSTRAINED = "program.constrain=true"
MORE = "{kind: choice, choices: [red, green, blue, pink]}"
STRICT = "{kind: choice, choices: [red, green, blue], ignore_case: false}"
KEYS: dict[str, tuple[tuple[str, ...], str, str, bool]] = {
    "a scorer": (("zero_shot",), EXACT, F1, True),
    "a scorer, where shots are shown": (("few_shot",), EXACT, F1, True),
    "a scorer that chose the checkpoint": (("lora", DEV), EXACT, F1, False),
    "a scorer that training never used": (("lora", NO_DEV), EXACT, F1, True),
    "how answers are read": (("zero_shot",), CHOICE, STRICT, True),
    "how the constrained are read": (("zero_shot", CONSTRAINED), CHOICE, STRICT, True),
    "what answers are held to": (("zero_shot", CONSTRAINED), CHOICE, MORE, False),
    "what they would be held to": (("zero_shot",), CHOICE, MORE, True),
    "how dev answers are read": (("lora", DEV), CHOICE, STRICT, False),
    "how unseen answers are read": (("lora", NO_DEV), CHOICE, STRICT, True),
    "labels of a classifier": (("classification", NO_DEV), CHOICE, STRICT, False),
    "margin and version": (("lora", DEV), "version: 1", "version: 2\nmargin: 0.5", True),
}


@pytest.mark.parametrize("name", KEYS)
def test_scoring_is_in_the_keys_only_where_it_decides_an_answer(tiny_task: Path, name: str) -> None:
    recipe, old, new, same = KEYS[name]
    before = cell(tiny_task, *recipe, model="tiny")
    edit_task(tiny_task, old, new)
    after = cell(tiny_task, *recipe, model="tiny")
    assert (after.key == before.key) is same
    if before.recipe.weights:
        assert (after.weights_key == before.weights_key) is same


def test_a_format_that_reads_otherwise_reads_stored_answers_again(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.answer = "Red."
    before = go(cell(tiny_task), tmp_path).records[0].raw
    asked = len(engine.asked)
    edit_task(tiny_task, CHOICE, STRICT)
    outcome = go(cell(tiny_task), tmp_path)
    (after,) = (one.raw for one in outcome.records)
    assert (outcome.fresh, len(engine.asked), after["id"]) == (0, asked, before["id"])
    assert (before["metrics"]["exact"]["mean"], after["metrics"]["exact"]["mean"]) == (3 / 8, 0.0)
    assert {row["extracted"]["status"] for row in rows(outcome)} == {"invalid"}
    assert after["task"]["data_hash"] != before["task"]["data_hash"]


def test_what_an_interrupted_run_has_answered_is_scored_as_the_rest(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run([cell(tiny_task)], tmp_path / "r", progress=Interrupted())
    edit_task(tiny_task, EXACT, F1)
    outcome = go(cell(tiny_task), tmp_path)
    assert {score["scorer"] for row in rows(outcome) for score in row["scores"]} == {"f1"}
    assert outcome.records[0].metrics["f1"].n == 8
    ids = [request.id for request in engine.asked]
    assert len({*ids}) == 8
    assert len(ids) == 8 + 3  # Three are asked again, to measure latency.


def test_more_examples_after_another_scorer_are_all_scored_by_it(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    go(cell(tiny_task, limit=3), tmp_path)
    edit_task(tiny_task, EXACT, F1)
    outcome = go(cell(tiny_task), tmp_path)
    assert {score["scorer"] for row in rows(outcome) for score in row["scores"]} == {"f1"}
    assert outcome.records[0].counts["scored"] == 8


def lengthen(task: Path, *places: int) -> None:
    file = task / "test.jsonl"
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    for location in places:
        kept[location]["input"] += " and more" * 50
    file.write_text("".join(json.dumps(row) + "\n" for row in kept))


def test_prompts_that_exceed_the_context_leave_a_run_done_and_are_shown(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    lengthen(tiny_task, 0, 5)
    engine.context = 60
    experiment = session.experiment(RunOptions(str(tiny_task), model=("fake",), recipes=("zero_shot",)))
    report = tmp_path / "report.html"
    done = session.run(experiment, tmp_path / "r", progress=Progress(), report=report)
    (record,) = (one.raw for one in done.outcome.records)
    assert (record["status"], done.exit_code, done.outcome.unfinished) == ("done", 3, ())
    lack = "2 of 8 answers of zero_shot are missing: its prompt exceeds the model's context of 60"
    assert done.incomplete == (lack,)
    assert record["missing"]["final"] == 2
    session.show(done, as_json=False)
    assert lack in capsys.readouterr().out
    assert lack.replace("'", "&#39;") in report.read_text()
    asked = len(engine.asked)
    again = session.run(experiment, tmp_path / "r", progress=Progress(), report=report)
    assert (again.outcome.fresh, again.exit_code, len(engine.asked)) == (0, 3, asked)


def test_a_verdict_says_that_missing_answers_cannot_be_had(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    lengthen(tiny_task, 0, 3)
    engine.context = 60
    engine.answer = {f"test-{i}": ["red", "green", "blue"][i % 3] for i in range(8)}
    outcome = run([cell(tiny_task)], tmp_path / "r", progress=Progress())
    (verdict,) = run_scores.verdicts(outcome.folders)
    assert "Run the same command again" not in verdict.sentence
    assert any("its prompt exceeds the model's context of 60" in reason for reason in verdict.reasons)


def test_a_run_without_any_answer_is_in_no_verdict(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.context = 5
    experiment = session.experiment(RunOptions(str(tiny_task), model=("fake",), recipes=("zero_shot",)))
    done = session.run(experiment, tmp_path / "r", progress=Progress(), report=tmp_path / "report.html")
    assert (done.exit_code, done.verdicts) == (3, ())
    assert len(done.incomplete) == 1


def test_answers_that_a_server_did_not_give_are_asked_again_beside_those_that_cannot_be(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    lengthen(tiny_task, 0)
    engine.context, engine.fail = 60, frozenset({"test-1", "test-2"})
    before = go(cell(tiny_task), tmp_path).records[0].raw
    assert (before["status"], before["missing"]["count"], before["missing"]["final"]) == ("partial", 3, 1)
    engine.fail, asked = frozenset(), len(engine.asked)
    after = go(cell(tiny_task), tmp_path).records[0].raw
    assert (after["status"], after["missing"]["count"]) == ("done", 1)
    assert [request.id for request in engine.asked[asked:]][:2] == ["test-1", "test-2"]


def test_a_smaller_sample_that_is_whole_is_done_although_the_larger_lacks_answers(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    small = cell(tiny_task, limit=3)
    outside = [one.id for one in cell(tiny_task).examples if one.id not in {e.id for e in small.examples}]
    engine.fail = frozenset(outside[:2])
    assert go(cell(tiny_task), tmp_path).records[0].status == "partial"
    asked = len(engine.asked)
    outcome = go(small, tmp_path)
    assert (outcome.fresh, len(engine.asked), outcome.incomplete) == (0, asked, ())
    ids = {small.id: frozenset(one.id for one in small.examples)}
    (verdict,) = run_scores.verdicts(outcome.folders, asked=ids)
    assert (verdict.n, any("missing" in reason for reason in verdict.reasons)) == (3, False)
    assert any("missing" in reason for reason in run_scores.verdicts(outcome.folders)[0].reasons)
