"""Tables as strangers have them: `init`, the command that it prints, a report, and what the model was asked."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.e2e.strangers_kit import harness, walk, write_csv, write_jsonl

N = 30

pytestmark = pytest.mark.usefixtures("stranger")


def dealt(values: str | list[str], seed: int = 0) -> list[str]:
    """N values in an order that no other column predicts."""
    return random.Random(seed).choices(list(values), k=N)


def test_text_and_label_without_a_corpus() -> None:
    """With the default recipes: what needs a corpus is left out and said, the rest gives a verdict."""
    labels = dealt(["refund", "delivery"])
    write_csv("tickets.csv", [{"text": f"message {i}", "label": label} for i, label in enumerate(labels)])
    done = walk("tickets.csv", quick=("--limit", "4"))
    assert set(done.asked) == {"zero_shot", "few_shot", "constrained", "lora", "qlora", "full"}
    assert "bm25_rag left out: task 'tickets' has no corpus to retrieve from" in " ".join(done.said.split())
    assert "bm25_rag left out" in done.page
    listed = (
        "Answer with exactly one of these labels, spelled as here, and nothing else:\n- delivery\n- refund"
    )
    for asked in done.asked.values():
        assert asked[0].instructions == listed
        assert asked[0].question.startswith("message ")
    (shots,) = {len(asked.messages) for asked in done.asked["few_shot"]}
    assert shots == 1 + 2 * 8 + 1


def test_two_answers_to_judge() -> None:
    labels = dealt("12")
    rows = [
        {"input": f"q{i}", "output_1": f"a{i}", "output_2": f"b{i}", "label": labels[i]} for i in range(N)
    ]
    write_csv("pairs.csv", rows)
    done = walk("pairs.csv", "--format", "choice")
    number = done.first.question.splitlines()[0].removeprefix("input: q")
    assert done.first.question == f"input: q{number}\noutput_1: a{number}\noutput_2: b{number}"
    assert done.first.target == labels[int(number)]


def test_a_question_a_function_and_a_call() -> None:
    rows = [
        {"question": f"add {i} and 2", "function": f"def add_{i}(a, b)", "call": f"add_{i}({i}, 2)"}
        for i in range(N)
    ]
    write_jsonl("calls.jsonl", rows)
    done = walk("calls.jsonl")
    number = done.first.target.split("(")[0].removeprefix("add_")
    assert done.first.question == f"question: add {number} and 2\nfunction: def add_{number}(a, b)"
    assert "no code fence" in done.first.instructions
    assert "few words" not in done.first.instructions
    assert "f1" not in (done.task / "task.yaml").read_text("utf-8").split("scorers:")[1]


def test_a_context_beside_the_question() -> None:
    labels = dealt(["yes", "no"])
    rows = [
        {"context": f"Ward {i} is on floor {i}.", "question_text": f"Is ward {i} upstairs?", "label": label}
        for i, label in enumerate(labels)
    ]
    write_csv("wards.csv", rows)
    done = walk("wards.csv")
    number = done.first.question.split()[2]
    assert done.first.question == (
        f"context: Ward {number} is on floor {number}.\nquestion_text: Is ward {number} upstairs?"
    )
    assert done.first.instructions.endswith("\n- no\n- yes")


def test_names_of_several_words() -> None:
    labels = dealt("xyz")
    rows = [
        {"Ticket ID": f"T-{i}", "Customer message": f"hello {i}", "Agent": "bot", "Issue category": label}
        for i, label in enumerate(labels)
    ]
    write_csv("desk export.csv", rows)
    done = walk("desk export.csv")
    assert done.first.question.startswith("hello ")
    assert done.first.instructions.startswith("Give the issue category.")
    assert {row["id"][:2] for row in done.rows()} == {"T-"}
    assert "the same in every row: 'bot'" in done.printed


def test_columns_that_give_the_answer_away() -> None:
    levels = dealt("abcd")
    labels = {"a": "low", "b": "high", "c": "low", "d": "high"}
    rows = [{"text": f"t{i}", "queue": level, "label": labels[level]} for i, level in enumerate(levels)]
    write_csv("queue.csv", rows)
    done = walk("queue.csv", "--format", "choice")
    assert "leak: 'queue' alone predicts 'label' in every row" in done.printed
    assert "queue: " in done.first.question
    done = walk("queue.csv", "--input", "text", "--name", "mended")
    assert done.first.question.startswith("t")
    assert "leak" not in done.printed


def test_a_code_beside_the_label_is_not_shown() -> None:
    codes = dealt("01")
    rows = [
        {"sentence": f"s{i}", "label": code, "label_text": ["bad", "good"][int(code)]}
        for i, code in enumerate(codes)
    ]
    write_csv("mood.csv", rows)
    done = walk("mood.csv")
    assert done.first.question.startswith("s")
    assert done.first.target in ("bad", "good")


@pytest.mark.parametrize("labels", [["yes", "no"], ["010", "007"], ["null", "on"], ["1e3", "~"]])
def test_labels_that_yaml_would_read_as_something_else(labels: list[str]) -> None:
    write_csv("odd.csv", [{"text": f"t{i}", "label": label} for i, label in enumerate(dealt(labels))])
    done = walk("odd.csv")
    assert done.first.target in labels
    assert done.first.instructions.splitlines()[1:] == [f"- {label}" for label in sorted(labels)]


def test_a_bare_yes_in_a_task_file_gets_the_hint_to_quote() -> None:
    write_csv("odd.csv", [{"text": f"t{i}", "label": label} for i, label in enumerate(dealt(["yes", "no"]))])
    done = walk("odd.csv")
    file = done.task / "task.yaml"
    text = file.read_text("utf-8").replace("'yes'", "yes").replace('"yes"', "yes")
    file.write_text(text, "utf-8")
    assert "quote it: 'yes'" in harness("run", "odd", "--model", "tiny", code=2)


def test_cells_that_hold_nan() -> None:
    labels = dealt("ab")
    rows = [
        {"text": f"t{i}", "note": "NaN" if i % 3 else f"n{i}", "label": label}
        for i, label in enumerate(labels)
    ]
    write_csv("gaps.csv", rows)
    done = walk("gaps.csv")
    assert "NaN" in done.printed
    assert all("nan" not in asked.question.lower() for asked in done.asked["zero_shot"])
    assert {row["input"]["note"] for row in done.rows()} == {None, *(f"n{i}" for i in range(0, N, 3))}


def test_numbers_with_a_unit_in_the_column_s_name() -> None:
    rows = [{"product": f"box {i}", "Weight (kg)": f"{i / 4:.2f}"} for i in range(N)]
    write_csv("boxes.csv", rows)
    done = walk("boxes.csv", "--target", "Weight (kg)")
    assert done.first.instructions == (
        "Give only the weight in kg: a number with at most 2 decimals, in digits, without the unit or thousands separators."
    )
    number = done.first.question.removeprefix("box ")
    assert done.first.target == int(number) / 4


def test_json_objects_are_asked_for_with_their_schema() -> None:
    wishes = dealt(["refund", "exchange"])
    rows = [
        {"message": f"order {i}", "answer": json.dumps({"order": i, "wish": wish})}
        for i, wish in enumerate(wishes)
    ]
    write_csv("orders.csv", rows)
    done = walk("orders.csv")
    assert done.first.instructions.startswith("Answer with one JSON object and nothing else.\n")
    assert '"order": integer' in done.first.instructions
    assert '"wish": "exchange" | "refund"' in done.first.instructions
    assert done.first.target["order"] == int(done.first.question.split()[1])


def test_code_is_compared_as_code() -> None:
    rows = [
        {"task": f"Return {i}.", "solution": f"def answer():\n    value = {i}\n    return value"}
        for i in range(N)
    ]
    write_jsonl("code.jsonl", rows)
    done = walk("code.jsonl")
    assert "no explanation and no code fence" in done.first.instructions
    number = done.first.question.removeprefix("Return ").removesuffix(".")
    assert f"value = {number}\n" in done.first.target


def test_one_row_longer_than_the_context() -> None:
    """It is an error of that cell, which is counted and shown; the other rows are asked."""
    labels = dealt("ab")
    rows = [{"text": f"t{i} " + "word " * (4000 if i == 4 else 1), "label": x} for i, x in enumerate(labels)]
    Path("long").mkdir()
    write_csv("long/train.csv", rows[5:])
    write_csv("long/test.csv", rows[:5])
    done = walk("long", quick=("--recipes", "zero_shot,few_shot"), code=3)
    assert len(done.asked["zero_shot"]) == 4
    assert done.said.lstrip().startswith("1 of 5 answers of zero_shot is missing: its prompt exceeds")
    errors = [line for line in done.said.splitlines() if "1 of 5 examples is an error" in line]
    assert len(errors) == 2
    assert all(line.endswith("exceeds the model's context of 8192") for line in errors)
    assert "exceeds the model" in done.page
