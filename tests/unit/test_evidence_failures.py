"""One hand-made answer per failure mode, read and scored by the real formats and scorers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.core.kinds import build
from harness.core.protocols import Task
from harness.core.values import Completion, Example, Message, Passage, Prompt
from harness.evidence import failure_modes
from harness.results.records.sample import SampleRecord
from harness.runner import scoring

SCHEMA = {
    "type": "object",
    "properties": {"queue": {"enum": ["A1", "B2"]}, "note": {"type": "string"}},
    "required": ["queue"],
}
TRAIN = Example(id="t1", input={"input": "x"}, target={"queue": "A1", "note": "shown"})
QA_TRAIN = Example(id="t1", input={"input": "Who keeps the keys?"}, target="Mara Lindqvist")


def task(format_: Any, scorer: str, train: Example) -> Task:
    return Task(
        name="t",
        version=1,
        instructions="",
        input="{{ input }}",
        format=build("formats", format_),
        scorers=(build("scorers", scorer),),
        primary=scorer,
        splits={"train": (train,), "dev": (), "test": ()},
        corpus=(),
        folder=Path(),
        data_hash="",
    )


JSON = task({"kind": "json_schema", "schema": SCHEMA}, "exact", TRAIN)
TEXT = task("text", "exact", QA_TRAIN)
CHOICE = task({"kind": "choice", "choices": ["refund", "repair"]}, "exact", QA_TRAIN)


def row(
    where: Task,
    output: str,
    target: Any,
    *,
    finish: str = "stop",
    passages: tuple[str, ...] = (),
    shots: tuple[str, ...] = (),
) -> SampleRecord:
    example = Example(id="e", input={"input": "When does the canteen open?"}, target=target)
    ranked = tuple(Passage(document="d", text=text, score=1.0) for text in passages)
    prompt = Prompt(messages=(Message("user", "q"),), passages=ranked, shots=shots)
    completion = Completion(text=output, tokens_in=1, tokens_out=1, finish_reason=finish, seconds=0.0)  # type: ignore[arg-type]
    return scoring.sample(where, example, prompt, completion)


WANTED = {"queue": "B2", "note": "leaks"}
CASES = [
    ("right", row(JSON, '{"queue": "B2", "note": "leaks"}', WANTED), None),
    ("fenced", row(JSON, 'Sure:\n```json\n{"queue": "B2", "note": "leaks"}\n```', WANTED), "dressed_up"),
    ("cut", row(JSON, '{"queue": "B2", "no', WANTED, finish="length"), "truncated"),
    (
        "ran on",
        row(JSON, '{"queue": "A1", "note": "x"}\nNext message: {"que', WANTED, finish="length"),
        "no_stop",
    ),
    ("not JSON", row(JSON, "queue B2", WANTED), "malformed"),
    ("against the schema", row(JSON, '{"queue": "C9", "note": "leaks"}', WANTED), "malformed"),
    ("field missing", row(JSON, '{"queue": "B2"}', WANTED), "wrong_fields"),
    ("field invented", row(JSON, '{"queue": "B2", "note": "leaks", "mood": 1}', WANTED), "wrong_fields"),
    ("value wrong", row(JSON, '{"queue": "A1", "note": "leaks"}', WANTED), "wrong_value"),
    ("shot repeated", row(JSON, '{"queue":"A1","note":"shown"}', WANTED, shots=("t1",)), "copied_from_shot"),
    ("shot not shown", row(JSON, '{"queue":"A1","note":"shown"}', WANTED), "wrong_value"),
    ("refused instead of JSON", row(JSON, "I'm sorry, I can't do that.", WANTED), "refused"),
    ("empty", row(TEXT, "  ", "07:30"), "empty"),
    ("empty label", row(CHOICE, "", "refund"), "empty"),
    ("empty at the limit", row(CHOICE, "", "refund", finish="length"), "empty"),
    ("empty object", row(JSON, "\n", WANTED), "empty"),
    ("sentence", row(TEXT, "It opens at 07:30 every day.", "07:30"), "dressed_up"),
    ("part of a number", row(TEXT, "107:305", "07:30"), "wrong_value"),
    ("refused", row(TEXT, "I don’t have access to that information.", "07:30"), "refused"),
    ("loop", row(TEXT, "the canteen opens " * 12, "07:30", finish="length"), "repeats_itself"),
    ("loop in prose", row(JSON, "The message is about " * 12, WANTED, finish="length"), "repeats_itself"),
    ("prose, cut", row(JSON, "The message is about a leak, so", WANTED, finish="length"), "malformed"),
    ("right, again and again", row(TEXT, "07:30 it says. " * 12, "07:30", finish="length"), "no_stop"),
    ("half a label", row(CHOICE, "rep", "refund", finish="length"), "truncated"),
    ("no label, cut", row(CHOICE, "The customer wants", "refund", finish="length"), "malformed"),
    ("rambling", row(TEXT, "The canteen is a place where people", "07:30", finish="length"), "truncated"),
    ("copied answer", row(TEXT, "Mara Lindqvist.", "07:30", shots=("t1",)), "copied_from_shot"),
    (
        "made up",
        row(TEXT, "Tuesday afternoon, 16:45", "07:30", passages=("The canteen at Pinmoor opens at 07:30.",)),
        "unsupported_by_passages",
    ),
    (
        "from the wrong passage",
        row(TEXT, "opens at 09:15", "07:30", passages=("The canteen at Hale opens at 09:15.",)),
        "wrong_value",
    ),
    ("wrong choice", row(CHOICE, "repair", "refund", shots=("t1",)), "wrong_value"),
    ("both choices", row(CHOICE, "refund or repair", "refund"), "malformed"),
    ("no choice", row(CHOICE, "hello", "refund"), "malformed"),
]


@pytest.mark.parametrize(
    ("answer", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_label(answer: SampleRecord, expected: str | None) -> None:
    assert answer.failure == expected


def test_every_label_is_explained_and_reached_by_a_case() -> None:
    labels = {name for name, _ in failure_modes.RULES}
    assert labels == set(failure_modes.ABOUT)
    assert labels == {expected for _, _, expected in CASES if expected}


def test_the_validators_path_stays_in_the_row() -> None:
    answer = row(JSON, '{"queue": "C9", "note": "leaks"}', WANTED)
    assert answer.failure == "malformed"
    assert "queue" in str(answer.extracted.path)


def test_an_execution_error_is_no_failure_of_the_answer() -> None:
    assert row(JSON, "", WANTED, finish="error").failure is None


def test_targets_of_shots_may_be_passed_in() -> None:
    answer = row(JSON, '{"queue": "A1", "note": "elsewhere"}', WANTED)
    assert (
        failure_modes.label(answer, JSON, {"s": {"queue": "A1", "note": "elsewhere"}}) == "copied_from_shot"
    )


def test_a_refusal_that_is_the_right_answer_is_not_called_one() -> None:
    answer = row(TEXT, "I do not know that name", "I do not know")
    assert answer.failure == "dressed_up"
    assert row(TEXT, "I have no idea, I don't know", "I do not know").failure == "wrong_value"


def test_count_is_by_frequency() -> None:
    answers = [
        SampleRecord(sample_id="e", failure=name) for name in ("malformed", None, "refused", "malformed")
    ]
    assert failure_modes.count(answers) == {"malformed": 2, "refused": 1}


def test_a_right_answer_inside_a_chinese_sentence_is_dressed_up() -> None:
    from harness.evidence.failure_modes import _words

    assert _words("答案是 Tokyo 东京。") == "答 案 是 tokyo 东 京"
    assert _words("It's 5!") == "it s 5"
