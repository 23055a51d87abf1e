"""The instructions that `init` writes ask for what is scored; the schema stands in the prompt, in compact form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.tasks import instructions, style
from harness.tasks.init import Wish, init
from harness.tasks.load import load
from harness.tasks.schema_text import compact
from harness.tasks.templates import literal, render


def prompt(task: Task) -> str:
    """The system message that a model sees with the first test example."""
    asked = build("programs", "zero_shot").prepare(task, (), 0)(task.splits["test"][0])
    (text,) = (message.content for message in asked.messages if message.role == "system")
    return str(text)


def asked_with(folder: Path, rows: Sequence[dict[str, Any]], **wish: Any) -> str:
    """What `init` makes a model see of a file of these rows."""
    data = folder / "things.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return prompt(load(init(str(data), folder / "tasks", Wish(**wish)).folder))


def test_labels_are_listed_under_the_name_of_their_column(tmp_path: Path) -> None:
    rows = [{"text": f"t {i}", "intent": ("pay bill", "{{ odd }}", "talk")[i % 3]} for i in range(60)]
    assert asked_with(tmp_path, rows) == (
        "Give the intent. Answer with exactly one of these labels, spelled as here, and nothing else:\n"
        "- pay bill\n- talk\n- {{ odd }}"
    )


def test_the_schema_is_in_the_prompt_of_a_new_task(tmp_path: Path) -> None:
    rows = [
        {"text": f"t {i}", "output": {"kind": "ab"[i % 2], "n": i, **({} if i % 5 else {"note": f"x{i}"})}}
        for i in range(60)
    ]
    text = asked_with(tmp_path, rows)
    assert text.startswith("Answer with one JSON object and nothing else.\n\nThe answer has this form:\n{\n")
    assert '"kind": "a" | "b"' in text
    assert '"n": integer' in text
    assert '"note"?: string' in text


def test_a_description_that_a_person_adds_to_the_schema_reaches_the_prompt(tmp_path: Path) -> None:
    data = tmp_path / "things.jsonl"
    rows = [{"text": f"t {i}", "output": {"n": i}} for i in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    folder = init(str(data), tmp_path / "tasks", Wish()).folder
    before = load(folder)
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    schema["properties"]["n"]["description"] = "how many {{ things }}\nthere are"
    (folder / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    after = load(folder)
    assert '"n": integer  // how many {{ things }} there are' in prompt(after)
    assert after.data_hash != before.data_hash


def test_a_task_that_does_not_ask_for_its_schema_keeps_its_prompt(tiny_task: Path) -> None:
    assert prompt(load(tiny_task)) == "Say the colour."


def test_a_schema_in_the_prompt_of_a_format_without_one_is_refused_by_line(tiny_task: Path) -> None:
    path = tiny_task / "task.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "schema_in_prompt: true\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"task\.yaml:10: schema_in_prompt: format 'choice' has no schema"):
        load(tiny_task)


@pytest.mark.parametrize(
    ("column", "targets", "asked"),
    [
        ("rating", [1, 2, 3, 4, 5], "the rating: a whole number from 1 to 5, in digits"),
        ("price_eur", [1.25, 3], "the price in EUR: a number with at most 2 decimals"),
        ("Weight (kg)", [70, 12000], "the weight in kg: a whole number, in digits, without the unit or"),
        ("duration in minutes", [3, 400], "the duration in minutes: a whole number"),
        ("answer_pct", [3.5], "the value in percent: a number with at most 1 decimal,"),
        ("answer", ["12", "-7000"], "the answer: a whole number, in digits, without thousands separators."),
        ("y", [1e30], "the answer: a number, in digits"),
        ("minutes", [1, 90], "the minutes: a whole number"),
    ],
)
def test_a_number_is_asked_for_with_its_name_unit_and_precision(
    column: str, targets: list[float | str], asked: str
) -> None:
    assert instructions.number(targets, column).startswith(f"Give only {asked}")


@pytest.mark.parametrize(
    ("targets", "asked"),
    [
        (["2024-01-02", "1999-12-31"], "Give only the answer: a date, written YYYY-MM-DD."),
        (["08:30", "17:05"], "Give only the answer: a time, written HH:MM."),
        (["12 kg", "7.5 kg"], 'Give only the answer: a number followed by "kg".'),
        (["D-926", "X-111"], 'Give only the answer: one capital letter, "-" and three digits.'),
        (["the cat", "a dog"], "Give only the answer, in two words, in lower case, without a period at the end."),
        (["Ada", "Jo Ann Lee"] * 9, "Give only the answer, in 1 to 3 words, without a period at the end."),
        (["Yes."] * 19 + ["Yes. It was he."], "Give only the answer, usually in one word."),
        (["YES", "NO"], "Give only the answer, in one word, in capital letters."),
        (["東京都千代田区丸の内一丁目にある駅", "大阪府大阪市北区にある大きな駅の名前です"], "in 17 to 20 characters"),
        (["It was late when the train with the new carriages came in."], "in one sentence of about 12 words"),
        (["It came in at once. Then it left again. Nobody had seen why."], "in about 3 sentences, about 13 words"),
        (["- milk and bread from the shop\n- butter and eggs from the farm"], "as a list with one item a line"),
        (["One two three four five six.\n\nSeven eight nine ten."], "in about 2 paragraphs, about 10 words"),
    ],
)  # fmt: skip
def test_a_text_is_asked_for_with_the_length_and_style_of_the_targets(targets: list[str], asked: str) -> None:
    assert asked in instructions.text(targets)


def test_nothing_asks_for_as_few_words_as_possible(tmp_path: Path) -> None:
    rows = [{"question": f"q {i}", "sql": f"SELECT name FROM t WHERE id = {i}"} for i in range(40)]
    assert "as few words" not in asked_with(tmp_path, rows, target="sql")
    expected = "Answer with the SQL statement and nothing else: no explanation and no code fence."
    assert instructions.code("SQL statement") == expected


def test_of_several_accepted_answers_the_first_decides_the_style() -> None:
    text = instructions.written(
        {"kind": "text"}, [["one two", "a much longer way to say the same"], ["so so"], []]
    )
    assert text == "Give only the answer, in two words, in lower case, without a period at the end."


def test_the_style_is_that_of_train_alone(tmp_path: Path) -> None:
    data = tmp_path / "facts"
    data.mkdir()
    for split, answer in (
        ("train", "short fact"),
        ("test", "a far longer answer that train never shows to anyone"),
    ):
        rows = "".join(
            json.dumps({"question": f"{split} {i}", "answer": f"{answer} {i}"}) + "\n" for i in range(40)
        )
        (data / f"{split}.jsonl").write_text(rows, encoding="utf-8")
    task = load(init(str(data), tmp_path / "tasks", Wish()).folder)
    assert prompt(task) == "Give only the answer, in three words, in lower case, without a period at the end."


def test_texts_without_any_content_have_no_style() -> None:
    assert style.of(["", " "]).brief
    assert style.of([]).brief


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"type": ["string", "null"]}, "string | null"),
        ({"type": "integer", "minimum": 1, "maximum": 5}, "integer from 1 to 5"),
        ({"type": "string", "format": "date"}, "string (date)"),
        ({"type": "string", "pattern": "^[A-Z]$", "maxLength": 4}, "string matching ^[A-Z]$ (at most 4 characters)"),
        ({"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 3}, '[("x" | "y"), ...] (at most 3 items)'),
        ({"type": "array"}, "[any value, ...]"),
        ({"anyOf": [{"const": "x", "description": "a thing"}, {"type": "null"}]}, '"x" (a thing) | null'),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "{\n  [key]: string\n}"),
        ({"allOf": [{"properties": {"a": {"type": "null"}}, "required": ["a"]}, {"properties": {"b": True}}]},
         '{\n  "a": null,\n  "b"?: any value\n}'),
        ({"$ref": "https://example.com/other"}, "any value"),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 3}}}, "3"),
        ({"type": "object", "properties": {}}, "{\n  [key]: any value\n}"),
        ({"type": "object", "properties": {}, "additionalProperties": False}, "{}"),
        ({"items": {"type": "boolean"}}, "[(true | false), ...]"),
    ],
)  # fmt: skip
def test_every_part_of_a_schema_has_a_compact_form(schema: dict[str, Any], expected: str) -> None:
    assert compact(schema) == expected


def test_a_schema_that_contains_itself_is_named_within_itself() -> None:
    tree = {
        "type": "object",
        "properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
    }
    assert (
        compact({"$ref": "#/$defs/tree", "$defs": {"tree": tree}})
        == '{\n  "left"?: tree,\n  "right"?: tree\n}'
    )


def test_the_compact_form_is_far_shorter_than_the_schema() -> None:
    from harness.tasks.load import FOLDER

    schema = json.loads((FOLDER / "support_tickets" / "schema.json").read_text(encoding="utf-8"))
    text = compact(schema)
    assert 3 * len(text) < 2 * len(json.dumps(schema))
    assert all(json.dumps(code) in text for code in schema["properties"]["queue"]["enum"])


@pytest.mark.parametrize(
    "text",
    ["plain", "{{ a }}", "{% raw %}", "{% endraw %}", '"}}\\n\\" é 😀', "{# no\ncomment #}", "^\\d{2}}$"],
)
def test_a_literal_renders_as_the_text_it_was_made_from(text: str) -> None:
    assert render(literal(text), {}) == text
