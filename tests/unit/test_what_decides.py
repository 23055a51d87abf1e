"""Changing a setting changes exactly the keys that the table of docs/store.md says, and no comparison mixes both
sides."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from docs import decides
from harness.core import kinds
from harness.core.keys import digest
from harness.results import floors, likeness, run_labels
from harness.results.records.run import RunRecord
from harness.runner.cells import Cell, describe_task, plan
from harness.runner.settings import ExperimentSettings
from harness.tasks.task_file import DataFile, GateFile, TaskFile
from harness.workflows.options.run import RunOptions
from harness.workflows.options.search import SearchOptions
from harness.workflows.run import experiment
from harness.workflows.search import make_plan

Marks = Mapping[str, Any]
TRAINED, PROMPTED = "trained.yaml", "prompted.yaml"
RECIPES = {
    TRAINED: {"weights": {"kind": "lora", "dev_examples": 2}, "program": {"kind": "few_shot", "k": 2}},
    PROMPTED: {"program": {"kind": "few_shot", "k": 2}},
}
TASK = {
    "name": "colours",
    "instructions": "Say the colour.",
    "input": "{{ input }}",
    "data": {"train": "train.jsonl", "dev": "dev.jsonl", "test": "test.jsonl"},
    "format": {"kind": "json_schema", "schema": {"type": "string"}},
    "scorers": ["exact", "f1"],
    "primary": "exact",
    "corpus": "corpus/",
    "max_new_tokens": 6,
}


@pytest.fixture
def workspace(tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the task and two recipes, in which the test is."""
    monkeypatch.chdir(tmp_path)
    write(Path("colours/task.yaml"), TASK)
    for name, recipe in RECIPES.items():
        write(Path(name), recipe)
    return tmp_path


def write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value))


def task(**changes: Any) -> Callable[[], None]:
    """Writes the task file anew with some keys changed."""
    return lambda: write(Path("colours/task.yaml"), TASK | changes)


def rows(split: str, **columns: Any) -> Callable[[], None]:
    def change() -> None:
        file = Path(f"colours/{split}.jsonl")
        first, *others = [json.loads(line) for line in file.read_text().split("\n") if line]
        file.write_text("".join(json.dumps(row) + "\n" for row in (first | columns, *others)))

    return change


def recipe(slot: str = "", **changes: Any) -> Callable[[], None]:
    """Writes both recipes anew with some settings of a slot changed."""

    def change() -> None:
        for name, known in RECIPES.items():
            base: dict[str, Any] = {"kind": "train"} if slot == "data" else {}
            if slot:
                write(Path(name), known | {slot: {**base, **known.get(slot, {}), **changes}})
            else:
                write(Path(name), known | changes)

    return change


def document() -> None:
    Path("colours/corpus/d0.md").write_text("Another text.")


SCHEMA = {"type": "string", "maxLength": 99}
CHANGES: dict[str, Callable[[], None]] = {
    "name": task(name="colors"),
    "version": task(version=2),
    "instructions": task(instructions="Name the colour."),
    "schema_in_prompt": task(schema_in_prompt=True),
    "input": task(input="{{ input }}?"),
    "data.train": rows("train", target="purple"),
    "data.dev": rows("dev", target="purple"),
    "data.test": rows("test", target="purple"),
    "data.turns": rows(
        "test", turns=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]
    ),
    "format": task(format={"kind": "json_schema", "schema": SCHEMA}),
    "scorers": task(scorers=[{"kind": "exact", "normalise": False}, "f1"]),
    "primary": task(primary="f1"),
    "corpus": document,
    "max_new_tokens": task(max_new_tokens=7),
    "margin": task(margin=0.5),
    "gate": task(gate={"primary": 0.1, "must_pass": ["test-0"]}),
    "licence": task(licence="CC0"),
    "prompts": task(prompts=["Name the color in one word."]),
    "recipe.about": recipe(about="Another text."),
    "recipe.setting": recipe("program", k=3),
}
"""Setting of the task file or of a recipe's file → what changes it."""
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "model": ({"model": ("tiny:qwen2",)}, {"model": "tiny:qwen2"}),
    "seeds": ({"seeds": 2}, {"seed": 1}),
    "labels": ({"labels": (4,)}, {"labels": 4}),
    "limit": ({"limit": 3}, {"limit": 3}),
    "stop_when_sure": ({"stop_when_sure": True}, {}),
    "frugal": ({"frugal": True}, {}),
    "settings": ({"settings": ("program.k=3",)}, {"settings": ("program.k=3",)}),
}
"""Option of the command line → the arguments of a run and of a search."""


def marks(name: str, *, run: Mapping[str, Any] = {}, search: Mapping[str, Any] = {}) -> Marks:
    """Every key of the last cell of `harness run`, and of `harness search`."""
    cell = plan(experiment(RunOptions("colours", recipes=(name,), **({"model": ("tiny",)} | dict(run)))))[-1]
    study = make_plan(
        SearchOptions(
            "colours", recipe=name, trials=1, results=Path("r"), **({"model": "tiny"} | dict(search))
        )
    )
    return {"cell": cell, "study": (study.study, study.of())}


def changed(before: Marks, after: Marks) -> frozenset[str]:
    """The columns of the table in which two cells differ."""
    a, b = before["cell"], after["cell"]
    heads = [record(cell, name) for cell, name in ((a, "a"), (b, "b"))]
    differs = {
        "weights": bool(a.recipe.weights) and a.weights_key != b.weights_key,
        "answer": a.key != b.key,
        "score": scored(a) != scored(b),
        "comparison": apart(*heads),
        "study": before["study"] != after["study"],
        "floor": floors.identity(heads[0]) != floors.identity(heads[1]),
    }
    return frozenset(name for name, differ in differs.items() if differ)


def record(cell: Cell, id: str) -> RunRecord:
    ended = {"id": id, "status": "done", "counts": {"scored": 8}, "metrics": {"exact": {"n": 8}}}
    return RunRecord.of({**cell.describe().to_json(), **ended})


def scored(cell: Cell) -> str:
    about = describe_task(cell.task)
    return digest([likeness.scored_with(about), [scorer.identity for scorer in about.scorers]])


def apart(a: RunRecord, b: RunRecord) -> bool:
    """Whether two runs stand in verdicts or rows of their own, or are judged by other margins."""
    if likeness.scored(a.task, b.task, [scorer.name for scorer in a.task.scorers]) != ():
        return True
    where, names = run_labels.places([a, b]), run_labels.labels([a, b])
    return where["a"] != where["b"] or names["a"] != names["b"] or a.task.margin != b.task.margin


@pytest.mark.parametrize("name", [TRAINED, PROMPTED])
@pytest.mark.parametrize("setting", [*CHANGES, *OPTIONS])
def test_a_setting_changes_exactly_what_the_table_says(setting: str, name: str, workspace: Path) -> None:
    before = marks(name)
    run, search = OPTIONS.get(setting, ({}, {}))
    CHANGES.get(setting, lambda: None)()
    row = decides.TABLE[setting]
    assert changed(before, marks(name, run=run, search=search)) == (
        row.trained if name == TRAINED else row.asked
    )


def test_a_recipe_of_another_name_has_the_same_keys(workspace: Path) -> None:
    write(Path("other.yaml"), RECIPES[TRAINED])
    assert changed(marks(TRAINED), marks("other.yaml")) == decides.TABLE["recipe.name"].trained


def test_limits_in_an_address_decide_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.engines import served

    monkeypatch.setattr(served, "ask", lambda spec: served.Served(name="m"))
    monkeypatch.setattr(served, "known", lambda spec: served.Served(name="m"))
    spec = "openai:m@http://127.0.0.1:1/v1"
    cells = [
        plan(experiment(RunOptions("colours", recipes=(PROMPTED,), model=(model,))))[0]
        for model in (spec, f"{spec}#concurrency=2,timeout=9")
    ]
    assert cells[0].key == cells[1].key
    heads = [record(cell, name) for cell, name in zip(cells, "ab", strict=True)]
    assert not apart(*heads)
    assert floors.identity(heads[0]) == floors.identity(heads[1])


KINDS = [
    (room, name)
    for room in ("data", "base", "weights", "programs", "retrieval", "formats", "scorers")
    for name in kinds.names(room)
]


def another(value: Any, field: dataclasses.Field[Any]) -> Any:
    """Another value of a field: from its range or choices, or of its type."""
    space = field.metadata.get("space") or {}
    choices = [choice for choice in space.get("choices", ()) if choice != value]
    if choices:
        return choices[0]
    if space.get("high") is not None:
        return type(value)(space["high"] if value != space["high"] else space["low"])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if isinstance(value, str) else 3


@pytest.mark.parametrize(("room", "name"), KINDS)
def test_every_setting_of_every_kind_is_in_its_identity_unless_it_cannot_change_a_result(
    room: str, name: str
) -> None:
    cls = kinds.lookup(room, name)
    built = cls.__new__(cls)
    values = {}
    for field in dataclasses.fields(cls):
        factory = field.default_factory is not dataclasses.MISSING
        values[field.name] = field.default_factory() if factory else field.default  # type: ignore[misc]
    fields = [
        field
        for field in dataclasses.fields(cls)
        if field.name not in ("program", "retriever", "retrievers", "parts")
    ]
    for name_, value in values.items():
        object.__setattr__(built, name_, value)
    try:
        identity = built.identity()
    except Exception:
        pytest.skip("has no identity without settings")
    for field in fields:
        if field.name in ("model", "teacher", "runs"):
            continue  # names a model: its weights count, which other tests show
        changed_kind = cls.__new__(cls)
        for name_, value in values.items():
            object.__setattr__(changed_kind, name_, value)
        object.__setattr__(changed_kind, field.name, another(values[field.name], field))
        differs = changed_kind.identity() != identity
        assert differs == field.metadata.get("in_key", True), field.name


@pytest.mark.parametrize("name", kinds.names("scorers"))
def test_every_setting_of_a_scorer_can_change_a_score(name: str) -> None:
    """Limits on time and memory, too: an answer that runs into one is wrong."""
    outside = [
        f for f in dataclasses.fields(kinds.lookup("scorers", name)) if not f.metadata.get("in_key", True)
    ]
    assert all(field.metadata["doc"].startswith("set when the task is read") for field in outside)


def test_settings_that_cannot_change_a_result_are_in_no_key(workspace: Path) -> None:
    before = marks(TRAINED)
    write(Path(TRAINED), RECIPES[TRAINED] | {"weights": {"kind": "lora", "dev_examples": 2, "save_steps": 7}})
    assert changed(before, marks(TRAINED)) == decides.TABLE["recipe.machine"].trained


def test_the_table_has_every_setting_of_the_task_file_and_the_command_line() -> None:
    of_task = {*TaskFile.model_fields} - {"data"}
    assert of_task <= {*decides.TABLE}
    assert of_task | {"data.train", "data.dev", "data.test"} <= {*CHANGES}
    # What else `data` and `gate` may say leads to rows, or is the gate's.
    assert {*DataFile.model_fields} >= {"train", "dev", "test"}
    assert "primary" in GateFile.model_fields
    settings = {item.name for item in dataclasses.fields(ExperimentSettings)} - {"recipes"}
    tuning = {"tune", "together", "proposer"}  # What they find is a recipe, and decides as its settings do.
    assert {*OPTIONS} == settings - tuning - {"report", "prices", "cache", "executor", "log_to"}
    assert {*OPTIONS} <= {*decides.TABLE}


def test_the_page_has_the_table_as_the_code_makes_it() -> None:
    text = decides.PAGE.read_text(encoding="utf-8")
    assert text.split(decides.BEGIN)[1].split(decides.END)[0].strip() == decides.table()
