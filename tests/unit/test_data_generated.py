"""The data slot: what is generated, what is thrown away, and that it is made once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError, RunError
from harness.core.kinds import build
from harness.core.protocols import DataContext, Engine, Task
from harness.core.values import Example, Request
from harness.engines.fake import FakeEngine
from harness.methods.data import _fields
from harness.runner.cells import plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.tasks.load import load
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions

COLOURS = ("red", "green", "blue")


@pytest.fixture
def task(tiny_task: Path) -> Task:
    return load(str(tiny_task))


class World:
    """A data context whose models are fake engines, and the notes that it was given."""

    def __init__(self, cache: Path, answer: Callable[[Request], str]) -> None:
        self.engine = FakeEngine(answer)
        self.specs: list[str] = []
        self.notes: list[Any] = []
        self.context = DataContext(engine=self._open, cache=cache, model="fake:me", note=self.notes.append)

    def _open(self, spec: str) -> Engine:
        self.specs.append(spec)
        return self.engine

    @property
    def counts(self) -> dict[str, int]:
        results: dict[str, int] = self.notes[-1]["counts"]
        return results


def test_a_teacher_writes_the_targets_and_invalid_ones_are_left_out(task: Task, tmp_path: Path) -> None:
    text = {f"train-{i}": ("I think: red" if i % 2 else "mauve") for i in range(12)}
    world = World(tmp_path, lambda request: text[request.id])
    distill = build("data", {"kind": "distill", "teacher": "fake:wise", "program": "zero_shot"})
    made = distill.examples(task, 0, world.context)
    assert {e.id for e in made} == {f"train-{i}" for i in range(1, 12, 2)}
    assert {e.target for e in made} == {"red"}
    assert world.specs == ["fake:wise"]
    assert (world.counts["asked"], world.counts["invalid"], world.counts["kept"]) == (12, 6, 6)
    # Train 3 and 9 are red: the teacher agrees with two labels.
    assert world.counts["as_labelled"] == 2
    assert {e.meta["written_by"] for e in made} == {"fake:wise"}


def test_a_set_is_made_once_and_says_where_it_came_from(task: Task, tmp_path: Path) -> None:
    world = World(tmp_path, lambda request: "red")
    distill = build("data", {"kind": "distill", "program": "zero_shot", "limit": 5})
    first = distill.examples(task, 0, world.context)
    assert distill.examples(task, 0, world.context) == first
    assert len(world.engine.asked) == 5
    (about,) = tmp_path.glob("*.json")
    note = json.loads(about.read_text())
    assert note["task"]["data_hash"] == task.data_hash
    assert note["teacher"]["spec"] == "fake:me"
    assert world.notes[0] == world.notes[1] == note | {"file": about.with_suffix(".jsonl").name}
    assert len(about.with_suffix(".jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("change", ["seed", "task", "teacher", "settings"])
def test_what_decides_a_set_makes_another_one(task: Task, tmp_path: Path, change: str) -> None:
    world = World(tmp_path, lambda request: "red")
    spec = {"kind": "distill", "program": "zero_shot"}
    build("data", spec).examples(task, 0, world.context)
    asked = len(world.engine.asked)
    if change == "task":
        task = replace(task, instructions="Name the colour.")
    more = {"teacher": {"teacher": "fake:other"}, "settings": {"limit": 3}}.get(change, {})
    build("data", {**spec, **more}).examples(task, int(change == "seed"), world.context)
    assert len(world.engine.asked) > asked


def test_errors_and_cut_off_answers_are_not_learnt(task: Task, tmp_path: Path) -> None:
    world = World(tmp_path, lambda request: "red " * (9 if request.id == "train-1" else 1))
    world.engine.fail = frozenset({"train-2"})
    made = build("data", {"kind": "distill", "program": "zero_shot"}).examples(task, 0, world.context)
    assert {e.id for e in made} == {f"train-{i}" for i in range(12)} - {"train-1", "train-2"}
    assert (world.counts["truncated"], world.counts["error"]) == (1, 1)


def test_nothing_to_keep_is_an_error_with_the_counts(task: Task, tmp_path: Path) -> None:
    world = World(tmp_path, lambda request: "no idea")
    with pytest.raises(RunError, match="12 asked, 12 invalid"):
        build("data", {"kind": "distill", "program": "zero_shot"}).examples(task, 0, world.context)
    assert not list(tmp_path.glob("*.json"))


def test_self_improvement_keeps_what_the_scorer_accepts(task: Task, tmp_path: Path) -> None:
    """A model that draws colours at random learns the right ones only, each once."""
    world = World(tmp_path, lambda request: random.Random(f"{request.id}{request.seed}").choice(COLOURS))
    improve = build("data", {"kind": "self_improve", "program": "zero_shot", "samples": 4})
    made = improve.examples(task, 0, world.context)
    labelled = {e.id: e.target for e in task.splits["train"]}
    assert made
    assert all(e.target == labelled[e.id] for e in made)
    assert len({e.id for e in made}) == len(made)
    assert len(made) + world.counts["examples_without"] == 12
    assert len({request.seed for request in world.engine.asked}) == 4
    assert {request.temperature for request in world.engine.asked} == {0.7}


def _ticket(number: int, ref: str, name: str) -> Example:
    return Example(
        id=f"t{number}",
        input={"text": f"Hello, {name} here, my case {ref} is late. Thanks, {name}"},
        target={"ref": ref, "name": name, "late": True, "code": "XQ"},
    )


def test_exchanged_fields_change_the_input_and_the_target_alike() -> None:
    pool = [_ticket(1, "A1001", "Ann Lee"), _ticket(2, "B2002", "Bo"), _ticket(3, "C3003", "Cy Young")]
    varied = _fields.exchange(pool[0], _fields.donors(pool), random.Random(0))
    assert varied is not None
    ref, name = varied.target["ref"], varied.target["name"]
    assert ref in ("B2002", "C3003")
    assert name == "Cy Young"  # "Bo" is too short to be exchanged safely
    assert varied.input["text"] == f"Hello, {name} here, my case {ref} is late. Thanks, {name}"
    assert varied.target["code"] == "XQ"  # it does not stand in the input
    assert pool[0].input["text"].startswith("Hello, Ann Lee")


def test_part_of_a_word_is_not_exchanged() -> None:
    one = Example(id="1", input={"text": "the cathedral and the cat"}, target="cat")
    two = Example(id="2", input={"text": "the dog"}, target="dog")
    varied = _fields.exchange(one, _fields.donors([one, two]), random.Random(0))
    assert varied is not None
    assert (varied.input["text"], varied.target) == ("the cathedral and the dog", "dog")


def test_augmented_tickets_are_valid_and_new(tmp_path: Path) -> None:
    task = load("support_tickets")
    world = World(tmp_path, lambda request: pytest.fail("no model is needed"))
    made = build("data", {"kind": "augment", "limit": 40, "substitutions": 2}).examples(
        task, 0, world.context
    )
    own = {e.id: e for e in task.splits["train"]}
    new = [e for e in made if e.id not in own]
    assert len(made) - len(new) == 40
    assert len(new) >= 60
    for example in new:
        parent = own[example.meta["varied_from"]]
        assert example.target["customer"]["ref"] != parent.target["customer"]["ref"]
        assert example.target["customer"]["ref"] in example.input["input"]
        assert parent.target["customer"]["ref"] not in example.input["input"]
        assert {**example.target, "customer": None} == {**parent.target, "customer": None}


def test_a_paraphrase_keeps_what_the_target_repeats(tmp_path: Path, task: Task) -> None:
    pool = tuple(_ticket(i, f"R{1000 + i}", f"Name{i}") for i in range(4))
    schema = {"type": "object", "properties": {"ref": {"type": "string"}}}
    task = replace(
        task, format=build("formats", {"kind": "json_schema", "schema": schema}), splits={"train": pool}
    )

    def rewrite(request: Request) -> str:
        number = request.id[1:]
        if number == "1":
            return "Something about a parcel that has not come to me and to my house."
        return f"Since Monday no sign of R100{number}, says Name{number}, who waits for it."

    world = World(tmp_path, rewrite)
    made = build("data", {"kind": "augment", "substitutions": 0, "paraphrases": 1}).examples(
        task, 0, world.context
    )
    assert {e.id for e in made if "~" in e.id} == {"t0~p1", "t2~p1", "t3~p1"}
    assert (world.counts["lost_a_field"], world.counts["paraphrased"]) == (1, 3)
    assert all(e.target == pool[int(e.id[1])].target for e in made)


def test_questions_come_from_the_corpus_and_answers_stand_in_it(tmp_path: Path, task: Task) -> None:
    task = replace(task, format=build("formats", "text"))

    def write(request: Request) -> str:
        number = int(request.id[1:])
        colour = COLOURS[number % 3]
        if number == 5:
            return json.dumps({"question": "Which colour is it?", "answer": "mauve"})
        if number == 6:
            return "a question, but no JSON"
        if number == 7:
            return json.dumps({"question": "thing test 7", "answer": colour})
        return json.dumps({"question": f"Which colour has thing {number}?", "answer": colour})

    world = World(tmp_path, write)
    made = build("data", "synthetic").examples(task, 0, world.context)
    assert len(made) == 9
    assert all(e.target == COLOURS[int(e.context_ids[0][1:]) % 3] for e in made)
    # What test asks word for word is no train question, whoever wrote it.
    assert (world.counts["not_in_document"], world.counts["invalid"], world.counts["held_out"]) == (1, 1, 1)
    assert all(request.constraint is not None for request in world.engine.asked)


def test_a_mix_has_the_shares_it_was_given(tmp_path: Path, task: Task) -> None:
    world = World(tmp_path, lambda request: "red")
    parts = ["train", {"kind": "distill", "program": "zero_shot"}]
    whole = build("data", {"kind": "mix", "parts": parts}).examples(task, 0, world.context)
    assert len(whole) == len({e.id for e in whole}) == 24
    some = build("data", {"kind": "mix", "parts": parts, "shares": [0.75, 0.25]})
    made = some.examples(task, 0, world.context)
    written = [e for e in made if "written_by" in e.meta]
    assert (len(made), len(written)) == (16, 4)
    again = build("data", json.loads(json.dumps(some.config())))
    assert again.examples(task, 0, world.context) == made
    with pytest.raises(ConfigError, match="shares"):
        build("data", {"kind": "mix", "parts": parts, "shares": [1.0]})


def test_a_curriculum_is_the_same_examples_sorted(task: Task, tmp_path: Path) -> None:
    world = World(tmp_path, lambda request: "red")
    plain = build("data", {"kind": "train", "limit": 7}).examples(task, 3, world.context)
    sorted_ = build("data", {"kind": "train", "limit": 7, "order": "short_first"}).examples(
        task, 3, world.context
    )
    assert {e.id for e in sorted_} == {e.id for e in plain}
    sizes = [len(e.input["input"]) + len(e.target) for e in sorted_]
    assert sizes == sorted(sizes)


def test_a_run_learns_from_generated_examples_and_records_them(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the runner: a fake server teaches, and the shots shown are what it wrote."""
    fake = FakeEngine("green")
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: fake)
    file = tmp_path / "it.yaml"
    file.write_text(
        "data: {kind: distill, teacher: 'fake:wise', program: zero_shot}\nprogram: {kind: few_shot, k: 2}\n"
    )
    cells = plan(session.experiment(RunOptions(str(tiny_task), model=("fake",), recipes=(str(file),))))
    outcome = run(cells, tmp_path / "results", progress=Progress())
    (record,) = (one.raw for one in outcome.records)
    assert record["status"] == "done"
    (note,) = record["generated"]
    assert note["counts"]["kept"] == 12
    assert (tmp_path / "results" / "generated" / note["file"]).is_file()
    rows = [json.loads(line) for line in (outcome.folders[0] / "samples.jsonl").read_text().splitlines()]
    assert "green" in rows[0]["prompt"]
    assert "red" not in rows[0]["prompt"]


def test_the_loop_keeps_a_curriculums_order_in_every_epoch(tmp_path: Path) -> None:
    from harness.training.loop import fit
    from harness.training.loss import response_loss
    from tests.unit import training_kit

    model = training_kit.model()
    records: list[str] = []

    def loss(network: Any, batch: Any) -> Any:
        records.extend(batch.rows)
        return response_loss(network, batch)

    settings = build(
        "weights",
        {
            "kind": "full",
            "lesson_order": "given",
            "per_device_train_batch_size": 2,
            "num_train_epochs": 2,
            "eval_per_epoch": 0,
        },
    )
    rows = training_kit.rows(5, model)
    fit(model, rows, [], settings, training_kit.context(tmp_path), loss)
    assert records == [row.id for row in rows] * 2
