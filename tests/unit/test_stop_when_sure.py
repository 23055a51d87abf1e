"""`--stop-when-sure`: rounds in a seeded order, recipes that drop out, and answers that are asked later."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.values import Request
from harness.engines.fake import FakeEngine
from harness.report.live.watch import Watch
from harness.results import live
from harness.results.folder import RunFolder
from harness.results.live import LiveCell, LiveRun
from harness.runner import again, until_sure
from harness.runner.cells import Cell
from harness.workflows import run as workflow
from harness.workflows.options.run import RunOptions

COLORS = ["red", "green", "blue"]
COUNT = 80


@pytest.fixture
def task(tiny_task: Path) -> Path:
    """The small task with 80 test rows, whose answers are spread over three colors."""
    rows = [
        {
            "id": f"test-{i}",
            "input": f"thing test {i}",
            "target": COLORS[i % 3],
            "context_ids": [f"d{i % 12}"],
        }
        for i in range(COUNT)
    ]
    (tiny_task / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tiny_task


def knows(*, few: float, rag: float = 0.0) -> Callable[[Request], str]:
    """Zero-shot is never right; few-shot and retrieval are right on a share of the examples."""

    def answer(request: Request) -> str:
        text = " ".join(message.content for message in request.messages)
        number = int(request.id.split("-")[1])
        share = rag if "The colour of thing" in text else few if len(request.messages) > 3 else 0.0
        return COLORS[number % 3] if (number * 37) % 100 < 100 * share else "nothing"

    return answer


def options(task: Path, tmp_path: Path, *, sure: bool, **more: object) -> RunOptions:
    recipes = more.pop("recipes", ("zero_shot", "few_shot", "bm25_rag"))
    return RunOptions(
        str(task), model=("fake",), recipes=recipes, results=tmp_path / "results", quiet=True,
        report=tmp_path / "report.html", stop_when_sure=sure or None, **more,
    )  # type: ignore[arg-type]  # fmt: skip


def session(task: Path, tmp_path: Path, *, sure: bool = True, **more: object) -> workflow.RunSession:
    done = workflow.from_options(options(task, tmp_path, sure=sure, **more))
    assert done is not None
    return done


def answered(done: workflow.RunSession) -> dict[str, set[str]]:
    return {
        record.recipe.name: {row.sample_id for row in RunFolder(path).rows()}
        for record, path in zip(done.outcome.records, done.outcome.folders, strict=True)
    }


def test_a_clear_difference_stops_the_run_and_says_what_was_saved(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.answer = knows(few=0.95)
    done = session(task, tmp_path)
    (verdict,) = done.verdicts
    counts = {recipe: len(ids) for recipe, ids in answered(done).items()}
    assert verdict.families.state == "ahead"
    assert verdict.families.use == "prompt"
    assert all(count < COUNT / 2 for count in counts.values())
    saved = 3 * COUNT - sum(counts.values())
    assert f"{saved} of {3 * COUNT} answers were not needed" in done.early[0]
    assert any("Stopped when sure" in note and f"{saved} of" in note for note in verdict.notes)
    assert all(pair.anytime for pair in verdict.comparisons)
    assert "Stopped when sure" in done.report.read_text("utf-8")
    assert done.exit_code == 0
    # The same runs while the command is at work: between two rounds nothing has stopped.
    cells = tuple(
        LiveCell(id=path.name, recipe=record.recipe.name, state="waiting", done=record.counts["scored"])
        for record, path in zip(done.outcome.records, done.outcome.folders, strict=True)
    )
    results = done.outcome.folders[0].parents[1]
    live.write(results, LiveRun(name="now", pid=os.getpid(), cells=cells))
    watch = Watch(results, "now")
    watch.look()
    assert "Stopped when sure" not in watch.page
    assert "Asked so far: " in watch.page
    assert "Do next" in done.report.read_text("utf-8")
    assert "Do next" not in watch.page
    assert f"zero_shot {counts['zero_shot']} of {COUNT} examples" in watch.page


def test_latency_is_measured_once_and_no_answer_is_asked_twice(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.answer = knows(few=0.95, rag=0.8)
    done = session(task, tmp_path)
    answers = sum(map(len, answered(done).values()))
    assert len(engine.asked) == answers + 3 * 3
    assert all(record.answer is not None and record.answer.latency_n == 3 for record in done.outcome.records)
    assert all(
        RunFolder(path).record() == record
        for record, path in zip(done.outcome.records, done.outcome.folders, strict=True)
    )


def test_every_recipe_is_asked_the_same_beginning_of_one_order(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.answer = knows(few=0.95)
    asked = answered(session(task, tmp_path))
    shortest, *others = sorted(asked.values(), key=len)
    assert all(shortest <= other for other in others)
    # Not the file's beginning: a file may be sorted by label.
    assert shortest != {f"test-{i}" for i in range(len(shortest))}


def test_equal_recipes_are_asked_everything_and_judged_as_a_full_run(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.answer = knows(few=0.0)
    done = session(task, tmp_path)
    assert all(len(ids) == COUNT for ids in answered(done).values())
    assert done.early == ()
    all_asked = f"--stop-when-sure saved nothing: all {3 * COUNT} answers were needed"
    assert all_asked in done.outcome.notes
    assert all_asked not in session(task, tmp_path, sure=False).outcome.notes
    assert not any(pair.anytime for pair in done.verdicts[0].comparisons)
    assert all(record.planned is None and record.limit is None for record in done.outcome.records)


def test_without_the_option_the_rest_is_asked_once_and_the_verdict_is_the_full_one(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.answer = knows(few=0.95)
    early = sum(map(len, answered(session(task, tmp_path)).values()))
    engine.asked.clear()
    full = session(task, tmp_path, sure=False)
    timing = 3 * 3  # Latency is measured with three prompts a recipe.
    assert len(engine.asked) == 3 * COUNT - early + timing
    assert all(len(ids) == COUNT for ids in answered(full).values())
    (tmp_path / "other").mkdir()
    alone = session(task, tmp_path / "other", sure=False)
    assert full.verdicts[0].comparisons == alone.verdicts[0].comparisons
    assert full.verdicts[0].sentence == alone.verdicts[0].sentence


def test_a_note_is_that_of_the_last_round(
    task: Path, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note counts the answers of its round, so that each round has another one."""
    engine.answer = knows(few=0.95)
    monkeypatch.setattr(again, "remarks", lambda record: [f"{record.id}: {record.counts['scored']} answers"])
    done = session(task, tmp_path)
    last = {f"{record.id}: {record.counts['scored']} answers" for record in done.outcome.records}
    assert sorted(done.outcome.notes) == sorted(last)


def test_the_same_command_again_asks_nothing(task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    engine.answer = knows(few=0.95)
    first = session(task, tmp_path)
    engine.asked.clear()
    repeated = session(task, tmp_path)
    assert engine.asked == []
    assert repeated.verdicts[0].sentence == first.verdicts[0].sentence
    assert repeated.early == first.early


def test_a_full_run_is_taken_whole(task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    engine.answer = knows(few=0.95)
    full = session(task, tmp_path, sure=False)
    engine.asked.clear()
    repeated = session(task, tmp_path)
    assert engine.asked == []
    assert repeated.early == ()
    assert repeated.verdicts[0].comparisons == full.verdicts[0].comparisons


def test_answers_of_an_interrupted_full_run_are_no_random_beginning(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    """The first thirty of the file are there already. They are kept, and take no part in an early verdict."""
    engine.answer = knows(few=0.95)
    session(task, tmp_path, sure=False, limit=30)
    done = session(task, tmp_path)
    for summary in done.verdicts[0].summaries:
        record = next(r for r in done.outcome.records if r.recipe.name == summary.recipe)
        assert summary.n == record.limit


def test_a_recipe_that_is_worse_is_asked_less_than_those_it_is_worse_than(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.answer = knows(few=0.95, rag=0.8)
    counts = {recipe: len(ids) for recipe, ids in answered(session(task, tmp_path)).items()}
    assert counts["zero_shot"] < counts["few_shot"]
    assert counts["few_shot"] == counts["bm25_rag"]


def test_training_that_cannot_change_the_family_is_not_begun(
    task: Path, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second prompt recipe stands for what waits: of the family that is ahead, it is left alone."""
    engine.answer = knows(few=0.95)
    monkeypatch.setattr(until_sure._Entrant, "trains", property(lambda self: self.recipe == "again"))
    more = {
        "recipes": (
            "zero_shot",
            "few_shot",
            "bm25_rag",
            {"extends": "few_shot", "name": "again", "program": {"k": 4}},
        )
    }
    done = session(task, tmp_path, **more)
    assert "again" not in answered(done)
    assert any("not started" in line and "again" in line for line in done.early)
    assert "not started" not in " ".join(session(task, tmp_path / "results", sure=False, **more).early)


def test_a_failed_recipe_does_not_stop_the_others(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.runner.model_pool import ModelPool

    good = FakeEngine(knows(few=0.95))
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: good)
    real = until_sure._Rounds.run

    def broken(self: until_sure._Rounds, cells: tuple[Cell, ...]) -> None:
        real(self, cells)
        if cells[0].recipe.name == "zero_shot":
            self.records[cells[0].id] = self.records[cells[0].id].changed(status="failed", error="no")

    monkeypatch.setattr(until_sure._Rounds, "run", broken)
    done = session(task, tmp_path)
    assert done.verdicts[0].families.use == "prompt"
    assert [r.status for r in done.outcome.records] == ["failed", "done", "done"]


def test_answers_that_a_failed_recipe_lacks_are_not_said_to_be_needless(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    file = task / "task.yaml"
    file.write_text(file.read_text("utf-8").replace("corpus: corpus/", ""), "utf-8")
    engine.answer = "red"
    done = session(task, tmp_path, recipes=("zero_shot", "few_shot", "bm25_rag"))
    assert [record.status for record in done.outcome.records] == ["done", "done", "failed"]
    assert done.exit_code == 3
    assert done.early == ()


def test_a_label_curve_and_fresh_runs_need_every_answer(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    for more in ({"labels": (4, 8)}, {"fresh": True}):
        with pytest.raises(ConfigError, match="stop-when-sure"):
            session(task, tmp_path, **more)


def test_a_later_report_holds_every_recipe_however_far_it_was_asked(
    task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    from harness.workflows import report
    from harness.workflows.options.report import ReportOptions

    engine.answer = knows(few=0.95, rag=0.8)
    done = session(task, tmp_path)
    again = report.from_options(ReportOptions(results=tmp_path / "results", out=tmp_path / "again.html"))
    (early,), (later,) = done.verdicts, again.verdicts
    assert later.comparisons == early.comparisons
    assert later.summaries == early.summaries


def test_a_report_after_a_kill_does_not_say_that_it_was_sure(
    task: Path, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.workflows import report
    from harness.workflows.options.report import ReportOptions

    engine.answer = knows(few=0.6, rag=0.6)
    real, rounds = until_sure._Rounds.run, 0

    def killed(self: until_sure._Rounds, cells: tuple[Cell, ...]) -> None:
        nonlocal rounds
        rounds += 1
        if rounds > 3:  # each of the three recipes was asked its first examples
            raise KeyboardInterrupt
        real(self, cells)

    monkeypatch.setattr(until_sure._Rounds, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        session(task, tmp_path)
    done = report.from_options(ReportOptions(results=tmp_path / "results", out=tmp_path / "killed.html"))
    page = (tmp_path / "killed.html").read_text("utf-8")
    assert "Stopped when sure" not in page
    assert "Asked so far: " in page
    assert f"few_shot {until_sure.FIRST} of {COUNT} examples" in " ".join(done.verdicts[0].notes)
