"""What `init` makes of a table's columns, and the prompt that a model then sees."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.tasks import names
from harness.tasks.columns import assign
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load
from harness.tasks.located import Located

Rows = Sequence[Mapping[str, Any]]


def table(rows: Rows, folder: Path, **wish: Any) -> tuple[Made, Task]:
    """A task from a CSV file of `rows`."""
    path = folder / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    made = init(str(path), folder / "tasks", Wish(**wish))
    return made, load(made.folder)


def prompt(task: Task) -> str:
    """The user message of the first test example."""
    prompter = build("programs", "zero_shot").prepare(task, (), 0)
    return str(prompter(task.splits["test"][0]).messages[-1].content)


def roles(made: Made) -> dict[str, str]:
    return {column.name: column.role for column in made.columns}


def shuffled(values: str, count: int, seed: int = 0) -> list[str]:
    return random.Random(seed).choices(values, k=count)


def test_candidates_beside_a_known_name_are_kept(tmp_path: Path) -> None:
    labels = shuffled("12", 60)
    rows = [
        {"input": f"q{i}", "output_1": f"a{i}", "output_2": f"b{i}", "label": labels[i]} for i in range(60)
    ]
    _, task = table(rows, tmp_path)
    row = task.splits["test"][0]
    number = row.input["input"][1:]
    assert prompt(task) == f"input: q{number}\noutput_1: a{number}\noutput_2: b{number}"


def test_the_function_beside_a_question_is_kept(tmp_path: Path) -> None:
    rows = [
        {"question": f"sum {i}", "function": f"def add{i}(a, b)", "call": f"add{i}({i}, 2)"}
        for i in range(40)
    ]
    made, task = table(rows, tmp_path)
    assert roles(made) == {"question": "input", "function": "input", "call": "target"}
    assert "function: def add" in prompt(task)
    assert task.primary == "exact"
    assert build("scorers", {"kind": "exact", "normalise": False}) in task.scorers
    assert "f1" not in {scorer.name() for scorer in task.scorers}
    assert "few words" not in task.instructions


def test_names_are_matched_by_their_words(tmp_path: Path) -> None:
    labels = shuffled("xyz", 60)
    rows = [
        {
            "Ticket ID": f"T{i}",
            "Customer message": f"hello {i}",
            "customerId": i % 20,
            "Issue category": labels[i],
        }
        for i in range(60)
    ]
    made, task = table(rows, tmp_path)
    assert roles(made) == {
        "Ticket ID": "id",
        "Customer message": "input",
        "customerId": "meta",
        "Issue category": "target",
    }
    row = task.splits["test"][0]
    assert row.id.startswith("T")
    assert set(row.meta) == {"customerId"}
    assert prompt(task) == row.input["input"]


def test_several_columns_are_shown_under_their_own_names(tmp_path: Path) -> None:
    labels = shuffled("ab", 40)
    rows = [{"Subject line": f"s{i}", "What's up?": f"w{i}", "class": labels[i]} for i in range(40)]
    _, task = table(rows, tmp_path)
    number = task.splits["test"][0].input["Subject_line"][1:]
    assert prompt(task) == f"Subject line: s{number}\nWhat's up?: w{number}"


def test_constant_and_empty_columns_are_dropped_with_the_reason(tmp_path: Path) -> None:
    labels = shuffled("ab", 40)
    rows = [{"text": f"t{i}", "lang": "en", "note": "", "label": labels[i]} for i in range(40)]
    made, task = table(rows, tmp_path)
    assert {c.name: c.reason for c in made.columns if c.role == "dropped"} == {
        "lang": "the same in every row: 'en'",
        "note": "empty in every row",
    }
    assert prompt(task) == task.splits["test"][0].input["input"]


def test_an_instruction_that_every_row_repeats_becomes_the_instructions(tmp_path: Path) -> None:
    labels = shuffled("ab", 40)
    rows = [{"instruction": "Judge {{ this }}.", "text": f"t{i}", "label": labels[i]} for i in range(40)]
    _, task = table(rows, tmp_path)
    messages = build("programs", "zero_shot").prepare(task, (), 0)(task.splits["test"][0]).messages
    assert messages[0].content.startswith("Judge {{ this }}.\n")
    assert "Judge" not in messages[1].content


def test_a_code_for_the_label_is_not_shown_to_the_model(tmp_path: Path) -> None:
    codes = shuffled("012", 60)
    spelled = ["up", "down", "flat"]
    rows = [{"text": f"t{i}", "label": codes[i], "label_text": spelled[int(codes[i])]} for i in range(60)]
    made, task = table(rows, tmp_path)
    assert roles(made) == {"text": "input", "label": "meta", "label_text": "target"}
    assert {e.target for e in task.splits["train"]} == set(spelled)
    assert prompt(task) == task.splits["test"][0].input["input"]


def test_a_column_that_predicts_the_answer_is_named_and_kept(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "queue": "abcdef"[i % 6], "label": "xyz"[i % 6 % 3]} for i in range(60)]
    made, task = table(rows, tmp_path)
    assert "leak: 'queue' alone predicts 'label' in every row" in " ".join(made.guesses)
    assert "queue: " in prompt(task)


def test_two_columns_that_predict_the_answer_together_are_named(tmp_path: Path) -> None:
    one, other = shuffled("01", 80, seed=1), shuffled("01", 80, seed=2)
    rows = [
        {"text": f"t{i}", "a": one[i], "b": other[i], "label": ["same", "different"][one[i] != other[i]]}
        for i in range(80)
    ]
    made, _ = table(rows, tmp_path)
    assert "leak: 'a' and 'b' together predict 'label' in every row" in " ".join(made.guesses)
    assert "alone" not in " ".join(made.guesses)


def test_columns_that_predict_nothing_are_no_leaks(tmp_path: Path) -> None:
    one, other, labels = (shuffled("01", 80, seed=seed) for seed in (1, 2, 3))
    rows = [{"text": f"t{i}", "a": one[i], "b": other[i], "label": labels[i]} for i in range(80)]
    assert "leak" not in " ".join(table(rows, tmp_path)[0].guesses)


def test_row_numbers_of_a_data_frame_are_an_id(tmp_path: Path) -> None:
    text = ",text,label\n" + "".join(f"{i},t{i},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "frame.csv").write_text(text, encoding="utf-8")
    made = init(str(tmp_path / "frame.csv"), tmp_path / "tasks", Wish())
    assert roles(made) == {"Unnamed: 0": "id", "text": "input", "label": "target"}


def test_columns_whose_names_become_one_field_stay_two(tmp_path: Path) -> None:
    labels = shuffled("ab", 40)
    rows = [
        {"a b": f"one {i}", "a-b": f"two {i}", "system": f"os {i}", "label": labels[i]} for i in range(40)
    ]
    _, task = table(rows, tmp_path)
    number = task.splits["test"][0].input["a_b"].split()[1]
    assert prompt(task) == f"a b: one {number}\na-b: two {number}\nsystem: os {number}"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Customer message", ("customer", "message")),
        ("ticketID", ("ticket", "id")),
        ("HTTPServer_no2", ("http", "server", "no", "2")),
        ("Größe", ("größe",)),
        ("...", ()),
    ],
)
def test_names_fall_into_words(name: str, parts: tuple[str, ...]) -> None:
    assert names.words(name) == parts


@pytest.mark.parametrize("name", ["none", "self", "system", "class", "1st", "a b", "{{ x }}", "loop"])
def test_every_name_becomes_a_field_that_templates_can_use(name: str) -> None:
    from harness.tasks.templates import default_input, render

    fields = names.fields([name, "other"])
    field = next(iter(fields))
    assert "value" in render(default_input([fields]), {field: "value", "other": ""})


def test_paths_reach_into_objects(tmp_path: Path) -> None:
    rows = [
        {"body": {"q": f"question {i}"}, "answers": [{"text": [f"answer {i}"]}], "lang": "en"}
        for i in range(40)
    ]
    rows[3] = {"body": {"q": "unanswered"}, "answers": [], "lang": "en"}
    path = tmp_path / "nested.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = init(str(path), tmp_path / "tasks", Wish(target="answers.0.text.0", inputs=("body.q",)))
    task = load(made.folder)
    row = task.splits["test"][0]
    assert prompt(task).startswith("question ")
    assert row.target == prompt(task).replace("question", "answer")
    assert "left out: 1 row of the data without input or target (line 4)" in made.guesses
    with pytest.raises(ConfigError, match=r"no column 'answers\.0\.txt'"):
        init(str(path), tmp_path / "other", Wish(target="answers.0.txt", inputs=("body.q",)))


def test_columns_that_some_rows_leave_out_are_empty_there(tmp_path: Path) -> None:
    labels = shuffled("ab", 40)
    rows = [{"text": f"t{i}", "label": labels[i], **({"hint": f"h{i}"} if i % 2 else {})} for i in range(40)]
    path = tmp_path / "some.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = load(init(str(path), tmp_path / "tasks", Wish()).folder)
    everything = [e.input for part in task.splits.values() for e in part]
    assert sum(fields["hint"] is None for fields in everything) == 20


def test_nothing_vanishes_whatever_the_columns_are_called() -> None:
    numbers = random.Random(0)
    for seed in range(40):
        columns = numbers.sample(["text", "title", "Foo", "bar", "output_1", "context", "x1", "options"], 4)
        rows = [{name: f"{name} {i} {seed}" for name in columns} | {"label": "ab"[i % 2]} for i in range(20)]
        inferred = assign([Located(row=row, file="f", number=i) for i, row in enumerate(rows, start=1)])
        assert {column.name for column in inferred.columns} == {*columns, "label"}
        assert inferred.names("input") == columns


def test_columns_beside_those_of_a_layout_are_shown_to_the_model(tmp_path: Path) -> None:
    labels = shuffled("ab", 40)
    rows = [
        {"input": f"q{i}", "target": labels[i], "context": f"about {i}", "group": f"g{i // 2}"}
        for i in range(40)
    ]
    made, task = table(rows, tmp_path)
    assert roles(made)["group"] == "group"
    number = task.splits["test"][0].input["input"][1:]
    assert f"input: q{number}\ncontext: about {number}" in prompt(task)
    assert task.splits["test"][0].group == f"g{int(number) // 2}"
    rows = [{"prompt": f"q{i}", "completion": f"it is {i}", "context": f"about {i}"} for i in range(40)]
    _, task = table(rows, tmp_path, name="other")
    number = task.splits["test"][0].input["prompt"][1:]
    assert prompt(task) == f"prompt: q{number}\ncontext: about {number}"
