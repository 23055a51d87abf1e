"""The options of `init`, and schemas, scorers and instructions that fit the targets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.core.errors import ConfigError
from harness.core.values import Example
from harness.tasks import checks, code, column_inference, schema_inference
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load


def made_from(folder: Path, rows: Sequence[dict[str, Any]], **wish: Any) -> Made:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return init(str(path), folder / "tasks", Wish(**wish))


def test_corpus_and_context_ids_go_into_the_task(tmp_path: Path) -> None:
    manuals = tmp_path / "manuals" / "more"
    manuals.mkdir(parents=True)
    for i in range(4):
        (manuals / f"d{i}.md").write_text(f"# Page {i}\nthe answer is {i}", encoding="utf-8")
    (manuals / "notes.bin").write_bytes(b"\x00")
    rows = [{"question": f"q{i}", "page": f"d{i % 4}; d0", "answer": f"it is {i}"} for i in range(40)]
    task = load(made_from(tmp_path, rows, corpus=tmp_path / "manuals", context_ids="page").folder)
    assert {document.id for document in task.corpus} == {"d0", "d1", "d2", "d3"}
    row = task.splits["test"][0]
    assert row.context_ids == (f"d{int(row.input['input'][1:]) % 4}", "d0")
    assert not [problem for problem in checks.problems(task) if problem.check == "context_ids"]


def test_rows_of_a_group_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "customer": f"c{i // 4}", "label": "ab"[i % 2]} for i in range(80)]
    task = load(made_from(tmp_path, rows, group="customer").folder)
    sides = [{e.group for e in part} for part in task.splits.values()]
    assert sum(map(len, sides)) == 20
    assert set(task.splits["test"][0].input) == {"input"}


def test_instructions_format_and_primary_are_taken_as_given(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "label": str(i % 3)} for i in range(60)]
    wish = {"instructions": "Rate it: 0, 1 or 2.", "format": "choice", "primary": "contains"}
    task = load(made_from(tmp_path, rows, **wish).folder)
    assert task.instructions.strip() == "Rate it: 0, 1 or 2."
    assert (task.format.config()["choices"], task.primary) == (("0", "1", "2"), "contains")


def test_a_format_takes_settings(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "label": f"A-{i}"} for i in range(60)]
    task = load(made_from(tmp_path, rows, format="{kind: regex, pattern: 'A-[0-9]+'}").folder)
    assert task.format.name() == "regex"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"format": "choise"}, "unknown format 'choise' — did you mean 'choice'"),
        ({"format": "{a: b}"}, "names no kind of format"),
        ({"primary": "exakt"}, "unknown scorer 'exakt' — did you mean 'exact'"),
        ({"group": "custmer"}, "no column 'custmer' — did you mean 'customer'"),
        ({"context_ids": "pages"}, "no column 'pages'"),
        ({"corpus": Path("nowhere")}, "nowhere: no such corpus"),
        ({"instructions": "{{ nothing }}"}, "instructions: .*'nothing' is undefined"),
    ],
)
def test_wrong_options_leave_nothing_behind(tmp_path: Path, wish: dict[str, Any], message: str) -> None:
    rows = [{"text": f"t{i}", "customer": f"c{i % 7}", "label": "ab"[i % 2]} for i in range(60)]
    with pytest.raises(ConfigError, match=message) as error:
        made_from(tmp_path, rows, **wish)
    assert ".rows-" not in str(error.value)
    assert not list((tmp_path / "tasks").glob("*"))


def test_a_target_that_does_not_fit_is_named_by_the_user_s_row(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "label": str(i) if i != 33 else "many"} for i in range(60)]
    with pytest.raises(ConfigError, match=r"rows\.jsonl:34: ") as error:
        made_from(tmp_path, rows, format="number")
    assert "many" in str(error.value)


def test_the_schema_is_of_train_alone_and_opened_where_test_needs_more(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    train = [{"text": f"t{i}", "output": {"kind": "ab"[i % 2], "n": i}} for i in range(40)]
    secret = {"text": "x", "output": {"kind": "zebra", "hidden": "walrus"}}
    test = [{"text": f"e{i}", "output": {"kind": "a", "n": i}} for i in range(9)]
    for split, rows in (("train", train), ("test", [*test, secret])):
        (folder / f"{split}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    made = init(str(folder), tmp_path / "tasks", Wish())
    written = (made.folder / "schema.json").read_text(encoding="utf-8")
    assert "zebra" not in written
    assert "hidden" not in written
    assert "walrus" not in written
    sentence = next(line for line in made.guesses if line.startswith("format: json_schema"))
    assert "which refuses 1 target of dev or test: opened at $.n, $.kind, $ (other keys)" in sentence
    assert secret["output"] in [e.target for e in load(made.folder).splits["test"]]


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1.5},
        {"a": None},
        {"a": 1, "b": {"c": [1, "x"]}},
        {"b": {"c": "no list"}},
        {"a": [1]},
        {"a": {"z": 1}},
    ],
)
def test_an_opened_schema_accepts_the_train_values_and_the_new_one(value: dict[str, Any]) -> None:
    train = [{"a": n, "b": {"c": [n]}} for n in range(3)]
    schema, text = schema_inference.fitting(train, [*train, value])
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert all(map(validator.is_valid, (*train, value)))
    assert "refuses 1 target of" in text
    assert schema_inference.fitting(train, train) == (schema_inference.schema(train), "")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("SELECT name FROM t WHERE n > {}", "sql"),
        ("get_weather(city='Oslo', days={})", "call"),
        ("[a.b(x={}), c(y=2)]", "call"),
        ("def f(x):\n    return x + {}", "code"),
        ("const x = {};\nconsole.log(x);", "code"),
        ("for (int i = 0; i < {}; i++) {{\n  total += i;\n}}", "code"),
        ("The house has {} rooms; it was built (they say) in 1900.", None),
        ("Return the parcel {} to us, please.", None),
        ("Dear Ann,\nthe meeting {} is moved:\n- Monday\n- Tuesday", None),
        ("with love, from {} of us", None),
        ("about {} km", None),
    ],
)
def test_code_is_told_from_prose(text: str, language: str | None) -> None:
    texts = [text.format(n) for n in range(30)]
    assert code.kind(texts) == language
    inferred = column_inference.answer([Example(id=t, input={}, target=t) for t in texts])
    assert ("f1" in inferred.scorers) is (language is None)
    assert inferred.spec["kind"] == ("sql" if language == "sql" else "text")


def test_punctuation_counts_in_code() -> None:
    from harness.core.kinds import build

    inferred = column_inference.answer([Example(id=str(n), input={}, target=f"f(a, {n})") for n in range(30)])
    scorer = build("scorers", inferred.scorers[0])
    example = Example(id="x", input={}, target="f(a, -1)")
    assert scorer.score("f(a, 1)", "f(a, -1)", example)[0] == 0.0
    assert scorer.score("f(a, -1)", "f(a, -1)", example)[0] == 1.0


def test_targets_and_rejected_answers_are_trimmed_alike(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "answer": f" good answer {i}\n", "rejected": f" bad {i} "} for i in range(40)]
    row = load(made_from(tmp_path, rows).folder).splits["test"][0]
    number = row.input["input"][1:]
    assert (row.target, row.meta["rejected"]) == (f"good answer {number}", f"bad {number}")


def test_labels_that_train_never_shows_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for split, labels in (("train", "ab"), ("test", "abc")):
        lines = "".join(f"{split} {i},{labels[i % len(labels)]}\n" for i in range(60))
        (folder / f"{split}.csv").write_text(f"text,label\n{lines}", encoding="utf-8")
    made = init(str(folder), tmp_path / "tasks", Wish())
    (line,) = [line for line in made.guesses if line.startswith("left out")]
    assert line.startswith(
        "left out: 20 rows of test (lines 4, 7, 10, 13, 16, …): train never has the label 'c'; to keep such rows"
    )


@pytest.mark.parametrize(
    ("word", "read"), [("yes", "True"), ("010", "8"), ("1.10", "1.1"), ("2024-01-01", "2024")]
)
def test_bare_words_of_yaml_in_choices_get_the_hint_to_quote(tmp_path: Path, word: str, read: str) -> None:
    text = f"data: {{test: t.jsonl}}\nformat:\n  kind: choice\n  choices:\n  - maybe\n  - {word}\n"
    (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "t.jsonl").write_text('{"input": "a", "target": "maybe"}\n', encoding="utf-8")
    expected = rf"task\.yaml:6: format\.choices: a bare {word} is .*{read}.* — quote it: '{word}'"
    with pytest.raises(ConfigError, match=expected):
        load(tmp_path)
    (tmp_path / "task.yaml").write_text(text.replace(word, f"'{word}'"), encoding="utf-8")
    assert load(tmp_path).format.config()["choices"] == ("maybe", word)


def test_near_leaks_name_the_group_as_the_remedy(tiny_task: Path) -> None:
    from dataclasses import replace

    task = load(tiny_task)
    long = "a message that is long enough to be nearly the same as another one "
    pair = [Example(id=key, input={"input": long + key}, target="red") for key in ("x", "y")]
    task = replace(task, splits={"train": (pair[0],), "dev": (), "test": (pair[1],)})
    problem = next(p for p in checks.problems(task) if p.check == "near leak train/test")
    assert "--group" in problem.message
