"""Which part of a chatty answer is the answer: thoughts, examples, citations, denials and alternatives are not."""

from __future__ import annotations

import pytest

from harness.core.kinds import build
from harness.core.thoughts import split
from harness.core.values import Invalid, Parsed
from harness.tasks.answers import settle

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def _choice(*choices: str):
    return build("formats", {"kind": "choice", "choices": list(choices)})


@pytest.mark.parametrize(
    ("text", "answer", "thoughts"),
    [
        ("A", "A", ""),
        ("<think>hm</think>\n\nA", "A", "hm"),
        ("hm</think>A", "A", "hm"),
        ("<think>cut off", "", "cut off"),
        ("A <think>checked</think>", "A", "checked"),
        ("<think>a<think>b</think>c", "c", "a\nb"),
        ("<think></think>\n\nB", "B", ""),
        ("  a < b ", "  a < b ", ""),
    ],
)
def test_thoughts_are_split_off(text: str, answer: str, thoughts: str) -> None:
    assert split(text) == (answer, thoughts)


def test_no_format_takes_a_thought_for_the_answer() -> None:
    assert _choice("red", "green").read("<think>red?</think>green").strict == Parsed("green")
    assert build("formats", "number").read("so 5… </think>7").strict == Parsed(7)
    form = build("formats", {"kind": "json_schema", "schema": SCHEMA})
    assert form.read('<think>{"a": 9}</think>{"a": 1}').strict == Parsed({"a": 1})
    reading = build("formats", "text").read("<think>why not</think>Paris")
    assert (reading.strict, reading.thoughts) == (Parsed("Paris"), "why not")
    assert isinstance(build("formats", "text").read("<think>too long").extracted, Invalid)


def test_other_tags_are_a_setting_that_leaves_the_key_alone() -> None:
    form = build("formats", {"kind": "text", "thinking_tags": ["plan"]})
    assert form.read("<plan>x</plan><think>y").strict == Parsed("<think>y")
    assert build("formats", {"kind": "text", "thinking_tags": []}).read("<think>y").strict == Parsed(
        "<think>y"
    )
    bracketed = build("formats", {"kind": "text", "thinking_tags": ["[THINK]", "◁think▷"]})
    assert bracketed.read("[THINK]x[/THINK] a ◁think▷y◁/think▷<b>").strict == Parsed("a <b>")
    assert bracketed.read("x◁/think▷a").strict == Parsed("a")
    assert "thinking_tags" not in build("formats", "text").identity()
    assert "thinking_tags" in form.identity()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('According to [1] it is {"a": 1}', 1),
        ('Example: {"a": 1}. Answer: {"a": 2}', 2),
        ('{"a": 2} as in [1]', 2),
        ('{"b": {"a": 1}}, so {"a": 5}, not {"c": 1}', 5),
        ('```json\n{"a": 1}\n```\nNo:\n```json\n{"a": 3}\n```', 3),
    ],
)
def test_the_last_json_value_that_satisfies_the_schema_is_the_answer(text: str, value: int) -> None:
    form = build("formats", {"kind": "json_schema", "schema": SCHEMA})
    assert form.read(text).extracted == Parsed({"a": value})


def test_the_last_fence_and_the_marked_match_are_the_answer() -> None:
    yaml = build("formats", "yaml").read("```yaml\na: 1\n```\nor\n```yaml\na: 2\n```")
    assert yaml.extracted == Parsed({"a": 2})
    sql = build("formats", "sql").read("```sql\nSELECT 1\n```\nbetter\n```sql\nSELECT 2\n```")
    assert sql.extracted == Parsed("SELECT 2")
    code = build("formats", {"kind": "regex", "pattern": "[A-Z]-[0-9]{3}"})
    assert code.read("The answer is B-123, not A-123").extracted == Parsed("B-123")
    assert code.read("B-123 or A-123").extracted == Invalid("ambiguous: 'B-123' or 'A-123'")


@pytest.mark.parametrize(
    ("choices", "text", "label"),
    [
        (("A", "B", "C"), "答案是A。", "A"),
        (("A", "B", "C"), "A cat is a B", "B"),
        (("A", "B", "C"), r"\boxed{C}", "C"),
        (("A", "B", "C"), "Option A: no. Option B: yes. Answer: B", "B"),
        (("正面", "负面"), "这条评论是正面的", "正面"),
        (("C", "C++"), "It is C++.", "C++"),
        (("<=50K", ">50K"), "The income is >50K.", ">50K"),
        (("1.5", "15"), "It is 1.5.", "1.5"),
        (("5", "-5"), "It is -5", "-5"),
        (("red", "green"), "not red but green", "green"),
        (("red", "green"), "**not** red but green", "green"),
        (("relevant", "irrelevant"), "Not only is it relevant, it is the best.", "relevant"),
        (("relevant", "irrelevant"), "There is no doubt that it is relevant.", "relevant"),
        (("red", "green"), "Red and green are close, but the answer is red.", "red"),
        (("relevant", "not relevant"), "It is not relevant.", "not relevant"),
        (("да", "нет"), "Ответ: да", "да"),
        (("yes", "no"), "No, it is not.", "no"),
        (("Café", "Bar"), "Cafe\u0301", "Café"),
        (("relevant", "irrelevant"), "Relevant or not: relevant", "relevant"),
        (("relevant", "irrelevant"), "irrelevant (non-relevant)", "irrelevant"),
        (("relevant", "irrelevant"), "relevant (not irrelevant)", "relevant"),
        (("relevant", "irrelevant"), "relevant, not irrelevant", "relevant"),
        (("spam", "ham"), "No: ham", "ham"),
        (("store", "online"), "An in-store purchase", "store"),
        (("shipping", "price"), "free shipping", "shipping"),
        (("A", "B"), "B (No)", "B"),
    ],
)
def test_a_label_is_found_as_a_word_of_its_own(choices: tuple[str, ...], text: str, label: str) -> None:
    assert _choice(*choices).read(text).extracted == Parsed(label)


@pytest.mark.parametrize(
    ("choices", "text", "reason"),
    [
        (("relevant", "irrelevant"), "not relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), "It is non-relevant.", "only denied: relevant"),
        (("relevant", "irrelevant"), "It is ir-relevant.", "only denied: relevant"),
        (("relevant", "irrelevant"), "ir\u2011relevant", "only denied: relevant"),
        (("satisfied", "angry"), "dis-satisfied", "only denied: satisfied"),
        (("correct", "wrong"), "in-correct", "only denied: correct"),
        (("relevant", "irrelevant"), "not: relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), '**Not**: "relevant"', "only denied: relevant"),
        (("relevant", "irrelevant"), "relevant (not)", "only denied: relevant"),
        (("relevant", "irrelevant"), "relevant [no, really not]", "only denied: relevant"),
        (("relevant", "irrelevant"), "relevant, not!", "only denied: relevant"),
        (("relevant", "irrelevant"), "It lacks relevant info", "only denied: relevant"),
        (("relevant", "irrelevant"), "a lack of any relevant facts", "only denied: relevant"),
        (("relevant", "irrelevant"), "devoid of relevant facts", "only denied: relevant"),
        (("relevant", "irrelevant"), "It isn't at all relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), "It was never relevant.", "only denied: relevant"),
        (("relevant", "irrelevant"), "It is no longer relevant.", "only denied: relevant"),
        (("relevant", "irrelevant"), "It is **not** relevant.", "only denied: relevant"),
        (("relevant", "irrelevant"), "It is _not_ relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), '"not" relevant', "only denied: relevant"),
        (("relevant", "irrelevant"), "This cannot be called relevant.", "only denied: relevant"),
        (("relevant", "irrelevant"), "I would not say that it's relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), "It is not in any way relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), "It fails to be relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), "It is not clear whether it is relevant", "only denied: relevant"),
        (("relevant", "irrelevant"), "Ich halte das nicht für relevant", "only denied: relevant"),
        (("relevante", "irrelevante"), "No es relevante.", "only denied: relevante"),
        (("wichtig", "egal"), "Das ist nicht wichtig", "only denied: wichtig"),
        (("正面", "负面"), "这不是正面的", "only denied: 正面"),
        (("ポジティブ", "ネガティブ"), "これはポジティブではない", "only denied: ポジティブ"),
        (("red", "green"), "neither red nor green", "only denied: red and green"),
        (("red", "green"), "red or green", "ambiguous: red or green"),
    ],
)
def test_a_denied_or_ambiguous_label_is_no_answer(choices: tuple[str, ...], text: str, reason: str) -> None:
    assert _choice(*choices).read(text).extracted == Invalid(reason)


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        (("C", "Java"), "C++"),
        (("5", "7"), "-5"),
        (("1", "15"), "1.5"),
        (("A", "B"), "A-level"),
        (("A", "B"), "A+"),
    ],
)
def test_a_part_of_another_word_or_number_is_no_label(choices: tuple[str, ...], text: str) -> None:
    assert isinstance(_choice(*choices).read(text).extracted, Invalid)


def test_several_accepted_answers_are_values_of_every_format() -> None:
    assert settle([3, "4"], build("formats", "number")) == ([3, 4], "")
    assert settle(["a", "B"], _choice("A", "B", "C")) == (["A", "B"], "")
    assert settle(["x", "B"], _choice("A", "B"))[1]
    lists = build("formats", {"kind": "json_schema", "schema": {"type": "array"}})
    assert settle([1, 2], lists) == ([1, 2], "")
