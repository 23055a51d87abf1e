"""Prompts longer than the context: shots and passages go, a row that cannot fit is an error, others are asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.kinds import build
from harness.core.recipes import from_config
from harness.core.values import Example, Prompt
from harness.engines.engine_for import local
from harness.engines.fake import FakeEngine
from harness.methods.data import _generated
from harness.methods.fitting import Room, fitted, room_of_engine, room_of_model
from harness.report.data import ReportData
from harness.report.sections import left_out
from harness.results.context_fit import sentences
from harness.results.folder import RunFolder
from harness.results.records.sample import SampleRecord
from harness.runner import cell_context
from harness.runner.asked import seen_by
from harness.runner.cells import Cell, layout, plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.tasks.load import load
from harness.workflows import run as session
from harness.workflows.diagnose import run_probes
from harness.workflows.options.run import RunOptions
from tests.contract.test_programs import example, task
from tests.unit.training_kit import model

WORDS = 6
"""Of `max_new_tokens` in the tiny task: what must stay free behind a prompt."""


def words(context: int | None, answer: int = 0) -> Room:
    """Room in which a token is a word."""
    return Room(
        context=context,
        answer=answer,
        count=lambda messages: sum(len(message.content.split()) for message in messages),
    )


def cells(folder: Path, *recipes: str, **more: Any) -> list[Cell]:
    return plan(session.experiment(RunOptions(str(folder), model=("fake",), recipes=recipes, **more)))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def lengthen(folder: Path, split: str, row: int, count: int) -> None:
    """Make the input of one row `count` words longer."""
    file = folder / f"{split}.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[row]["input"] += " word" * count
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("context", range(4, 70))
def test_as_many_shots_stay_as_fit_and_no_fewer(context: int) -> None:
    it, asked = task(), example("x")
    ask = build("programs", {"kind": "few_shot", "k": 8}).prepare(it, it.splits["train"], 0)
    room = words(context, answer=3)
    lengths = [room.count(ask(asked, dropped=dropped).messages) + 3 for dropped in range(9)]
    expected = next((dropped for dropped, length in enumerate(lengths) if length <= context), 8)
    prompt = fitted(ask, room)(asked)
    assert (len(prompt.shots), prompt.shots_dropped) == (8 - expected, expected)
    assert room.fits(prompt) == (lengths[8] <= context)
    assert prompt == ask(asked, dropped=expected)


def test_the_least_useful_shots_go_first() -> None:
    """Of the nearest the farthest, which is shown first; of a draw the last, so that prompts begin alike."""
    it, asked = task(), example("x", question="what colour is thing train3")
    for choose, kept in (("nearest", slice(5, None)), ("random", slice(0, 3)), ("first", slice(0, 3))):
        program = build("programs", {"kind": "few_shot", "k": 8, "choose": choose})
        ask = program.prepare(it, it.splits["train"], 0)
        assert ask(asked, dropped=5).shots == ask(asked).shots[kept]


def test_passages_go_from_the_end_of_the_list() -> None:
    it, asked = task(), example("x", question="thing number 2")
    ask = build("programs", {"kind": "rag", "k": 3}).prepare(it, (), 0)
    whole = ask(asked)
    room = words(words(None).count(ask(asked, dropped=1).messages))
    prompt = fitted(ask, room)(asked)
    assert prompt.passages == whole.passages[:2]
    assert prompt.passages_dropped == 1


def test_without_a_known_context_nothing_is_dropped() -> None:
    it, asked = task(), example("x")
    ask = build("programs", "few_shot").prepare(it, it.splits["train"], 0)
    assert fitted(ask, words(None))(asked) == ask(asked)
    assert words(None).complaint(Prompt(messages=())) == ""


def test_every_example_is_fitted_by_itself(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    lengthen(tiny_task, "test", 2, 20)
    # Instructions of 3 words, eight shots of 4, the question of 3, and 6 to answer.
    engine.context = 3 + 8 * 4 + 3 + WORDS + 5
    outcome = run(cells(tiny_task, "few_shot"), tmp_path / "r", progress=Progress())
    found = {row["sample_id"]: (len(row["shots"]), row["shots_dropped"]) for row in rows(outcome.folders[0])}
    assert found.pop("test-2") == (4, 4)
    assert set(found.values()) == {(8, 0)}
    (record,) = (one.raw for one in outcome.records)
    assert (record["status"], record["fitted"]) == ("done", ["shots 8 → 4 in 1 of 8 examples"])


def test_a_row_that_cannot_fit_is_an_error_and_the_others_are_asked(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    lengthen(tiny_task, "test", 0, 100)
    engine.context = 60
    outcome = run(cells(tiny_task, "zero_shot", "bm25_rag"), tmp_path / "r", progress=Progress())
    complaint = "prompt of 106 tokens + 6 to answer exceeds the model's context of 60"
    for record, folder in zip((one.raw for one in outcome.records), outcome.folders, strict=True):
        (row,) = [row for row in rows(folder) if row["sample_id"] == "test-0"]
        assert (row["finish_reason"], row["error"], row["tokens_in"]) == ("error", complaint, 106)
        assert {score["status"] for score in row["scores"]} == {"error"}
        assert row["failure"] is None
        assert record["counts"]["error"] == 1
        assert record["metrics"]["exact"]["n"] == 7
        assert f"1 of 8 examples is an error: {complaint}" in record["fitted"]
    assert "test-0" not in {request.id for request in engine.asked}
    # Of a prompt that does not fit even without passages, all of them are gone.
    rag = next(row for row in rows(outcome.folders[1]) if row["sample_id"] == "test-0")
    assert (rag["passages"], rag["passages_dropped"]) == ([], 3)


def test_nothing_fits_and_nothing_is_raised(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    engine.context = 5
    record = run(cells(tiny_task, "zero_shot"), tmp_path / "r", progress=Progress()).records[0].raw
    assert engine.asked == []
    assert (record["counts"]["error"], record["metrics"]) == (8, {})
    assert record["answer"]["latency_p50"] is None


def test_diagnose_asks_what_fits(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    engine.context = 3 + 3 * 4 + 3 + WORDS
    found = run_probes(load(tiny_task), "fake", tmp_path / "r", limit=6, progress=Progress())
    records = [RunFolder(folder).finished() for folder in found.folders]
    fitted_ = {record.recipe.name: record.fitted for record in records if record is not None}
    assert fitted_["few_shot"] == ("shots 8 → 3 in 6 of 6 examples",)
    assert fitted_["zero_shot"] == ()


def test_lessons_are_cut_as_the_questions_are(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    """Parity compares them token by token: what trained a model on eight shots must not ask it with five."""
    lengthen(tiny_task, "test", 1, 20)
    plain = ModelPool.base

    def short(self: ModelPool, spec: str, recipe: Any, *, fresh: bool = False) -> Any:
        of = plain(self, spec, recipe, fresh=fresh)
        object.__setattr__(of, "context", 256)
        return of

    monkeypatch.setattr(ModelPool, "base", short)
    settings = ("weights.num_train_epochs=1", "weights.dev_examples=2", "weights.max_length=600")
    found = session.experiment(
        RunOptions(str(tiny_task), model=("tiny",), recipes=("few_shot_lora",), settings=settings)
    )
    outcome = run(plan(found), tmp_path / "r", progress=Progress())
    (record,) = (one.raw for one in outcome.records)
    assert (record["status"], record["error"]) == ("done", None)
    assert all(check["ok"] for check in record["parity"])
    assert record["train"]["dropped"] == []
    counts = {row["sample_id"]: len(row["shots"]) for row in rows(outcome.folders[0])}
    assert 0 < counts["test-1"] < counts["test-0"] < 8
    assert all(row["tokens_in"] + WORDS <= 256 for row in rows(outcome.folders[0]))


def test_a_learnt_prompt_takes_room_before_it_is_learnt() -> None:
    of = model()
    tuned = from_config({"weights": {"kind": "prompt_tuning", "num_virtual_tokens": 5}}, name="tuned")
    cell = Cell(task=task(), model="tiny", fingerprint="", recipe=tuned, seed=0)
    room = cell_context.room_in(of, cell)
    assert (room.context, room.answer) == (of.context, cell.task.max_new_tokens + 5)


@pytest.mark.parametrize(("spec", "answer"), [("llama", 9), ("t5", 0), ("bert", 0)])
def test_only_decoders_answer_in_the_context_of_the_prompt(spec: str, answer: int) -> None:
    of = model(spec)
    assert room_of_model(of, 9).answer == answer
    if spec != "bert":
        assert room_of_engine(local(of), 9).answer == answer


def test_a_teacher_is_asked_what_fits(tiny_task: Path) -> None:
    of = load(tiny_task)
    teacher = FakeEngine("red", context=3 + 2 * 4 + 3 + WORDS)
    pool = of.splits["train"]
    asked = _generated.requests(teacher, of, build("programs", "few_shot"), pool, pool, 0)
    assert {len(request.messages) for request in asked} == {1 + 2 * 2 + 1}


def test_the_tiny_model_holds_the_shipped_tasks_default_prompts() -> None:
    """Smoke tests with it must never meet its context."""
    of = build("base", "plain").load("tiny")
    for name in ("support_tickets", "handbook_qa"):
        it = load(name)
        for spec in ({"kind": "few_shot", "k": 8}, {"kind": "rag", "k": 3}):
            ask = build("programs", spec).prepare(it, it.splits["train"], 0)
            room = room_of_model(of, it.max_new_tokens)
            longest = max(it.splits["test"], key=lambda one: len(str(one.input)))
            assert room.fits(ask(longest)), (name, spec)


def test_sentences_count_what_was_cut() -> None:
    def row(shots: int, dropped: int | None) -> SampleRecord:
        return SampleRecord(sample_id="e", shots=("s",) * shots, shots_dropped=dropped)

    assert sentences([row(8, 0), row(5, 3), row(6, 2)]) == ("shots 8 → 5 to 6 in 2 of 3 examples",)
    # Rows from before prompts were cut.
    assert sentences([row(1, None)]) == ()


def test_a_record_of_a_smaller_sample_says_what_was_cut_there(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    lengthen(tiny_task, "test", 2, 20)
    engine.context = 3 + 8 * 4 + 3 + WORDS + 5
    (cell,) = cells(tiny_task, "few_shot")
    outcome = run([cell], tmp_path / "r", progress=Progress())
    for limit in range(1, 8):
        (smaller,) = cells(tiny_task, "few_shot", limit=limit)
        record = seen_by(smaller, outcome.records[0], RunFolder(outcome.folders[0]))
        cut = any(one.id == "test-2" for one in smaller.examples)
        assert record.fitted == ((f"shots 8 → 4 in 1 of {limit} examples",) if cut else ())


def test_default_recipes_are_those_that_the_task_and_the_model_allow(tiny_task: Path) -> None:
    file = tiny_task / "task.yaml"
    file.write_text(file.read_text().replace("corpus: corpus/\n", ""))
    planned = layout(session.experiment(RunOptions(str(tiny_task), model=("fake",))))
    assert [cell.recipe.name for cell in planned.cells] == ["zero_shot", "few_shot"]
    reasons = {item.recipe: item.sentence for item in planned.left_out}
    assert reasons["bm25_rag"] == (
        "bm25_rag left out: task 'colours' has no corpus to retrieve from; add 'corpus:' to the task file"
    )
    assert set(reasons) == {"bm25_rag", "lora", "qlora", "full"}
    assert "is behind a server and cannot be trained" in reasons["lora"]


def test_an_example_fits_the_same_way_twice_and_others_their_own() -> None:
    """The cut is remembered by what is asked, not by the id alone: generated rows repeat ids of their source."""
    calls: list[str] = []

    def ask(one: Example, *, dropped: int = 0) -> Prompt:
        calls.append(one.id)
        return build("programs", "few_shot").prepare(it, it.splits["train"], 0)(one, dropped=dropped)

    it = task()
    prompter = fitted(ask, words(30))
    first = prompter(example("a"))
    count = len(calls)
    assert prompter(example("a")) == first
    assert len(calls) == count + 1
    assert prompter(example("a", question="one " * 9)).shots_dropped > first.shots_dropped


def test_the_section_says_what_was_left_out(tiny_task: Path) -> None:
    assert left_out.collect(ReportData(title="t", groups=())) is None
    planned = layout(session.experiment(RunOptions(str(tiny_task), model=("fake",))))
    info = left_out.collect(ReportData(title="t", groups=(), left_out=planned.left_out))
    assert info is not None
    page = left_out.render(info)
    assert (
        "lora left out: model &#39;fake&#39; is behind a server and cannot be trained; name a model" in page
    )
