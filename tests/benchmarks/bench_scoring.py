"""Reading and scoring 100,000 answers, beside the least that must be done: jsonschema, and SQuAD's F1 and exact match.

HARNESS_BENCH_ANSWERS sets another number. Times are of the processor, so that a busy machine changes little.
"""

from __future__ import annotations

import json
import os
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.core.kinds import build
from harness.core.values import Example, Parsed

pytestmark = pytest.mark.benchmark

ANSWERS = int(os.environ.get("HARNESS_BENCH_ANSWERS", "100000"))
TASKS = Path(__file__).parents[2] / "tasks"
NOBODY = Example(id="x", input={}, target=None)
Pairs = Sequence[tuple[str, Any]]


def _seconds(work: Callable[[], object]) -> float:
    """Processor time of the fastest of three runs."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def _ours(form: Any, scorers: Sequence[str], pairs: Pairs) -> float:
    reader, judges = build("formats", form), [build("scorers", name) for name in scorers]

    def work() -> None:
        for text, target in pairs:
            reading = reader.read(text).extracted
            if isinstance(reading, Parsed):
                for judge in judges:
                    judge.score(reading.value, target, NOBODY)

    return _seconds(work)


def _targets(task: str) -> Iterator[Any]:
    rows = [json.loads(line)["target"] for line in (TASKS / task / "test.jsonl").read_text().splitlines()]
    return (rows[i % len(rows)] for i in range(ANSWERS))


def test_json_answers_beside_jsonschema_alone() -> None:
    schema = json.loads((TASKS / "support_tickets" / "schema.json").read_text())
    targets = list(_targets("support_tickets"))
    pairs = [(json.dumps(target), targets[i - 1]) for i, target in enumerate(targets)]
    validator = jsonschema.Draft202012Validator(schema)
    least = _seconds(lambda: [validator.is_valid(json.loads(text)) for text, _ in pairs])
    ours = _ours({"kind": "json_schema", "schema": schema}, ["fields", "exact"], pairs)
    print(f"\n{ANSWERS:,} JSON answers: {ours:.2f} s, {ours / least:.2f} × jsonschema alone")


def test_short_answers_beside_squads_rule() -> None:
    targets = list(_targets("handbook_qa"))
    pairs = [(f"The answer is {target}.", targets[i - 1]) for i, target in enumerate(targets)]
    least = _seconds(lambda: [_squad(text, target) for text, target in pairs])
    ours = _ours("text", ["f1", "exact"], pairs)
    print(f"\n{ANSWERS:,} short answers: {ours:.2f} s, {ours / least:.2f} × SQuAD's rule in a few lines")


def test_numbers_and_labels_beside_one_regular_expression() -> None:
    numbers = [(f"{i} + 4 = {i + 4}, so it is {i + 4}.", i) for i in range(ANSWERS)]
    labels = [(f"I think it is {('red', 'green', 'light green')[i % 3]}.", "red") for i in range(ANSWERS)]
    least = _seconds(lambda: [re.findall(r"(?<![\w.])-?[0-9]+(?!\w)", text)[-1] for text, _ in numbers])
    ours = _ours("number", ["exact"], numbers)
    print(
        f"\n{ANSWERS:,} numbers in sentences: {ours:.2f} s, {ours / least:.1f} × one expression that takes the last"
    )
    pattern = re.compile(r"\b(light green|green|red)\b", re.IGNORECASE)
    least = _seconds(lambda: [pattern.findall(text) for text, _ in labels])
    ours = _ours({"kind": "choice", "choices": ["red", "green", "light green"]}, ["exact"], labels)
    print(f"{ANSWERS:,} labels in sentences: {ours:.2f} s, {ours / least:.1f} × one expression of the labels")


def _squad(answer: str, target: str) -> tuple[float, bool]:
    first, second = (_words(text) for text in (answer, target))
    common = sum((Counter(first) & Counter(second)).values())
    return 2 * common / max(len(first) + len(second), 1), first == second


def _words(text: str) -> list[str]:
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()
