"""Findings about a task's data: each check finds what was planted, and nothing in clean data."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.protocols import Task
from harness.core.values import Example
from harness.tasks import checks, label_checks, near_duplicates, problems
from harness.tasks.gram_hashes import grams, jaccard
from harness.tasks.load import load
from harness.tasks.near_duplicates import near


def example(key: str, text: str, target: str = "red", **more: object) -> Example:
    return Example(id=key, input={"input": text}, target=target, **more)  # type: ignore[arg-type]


@pytest.fixture
def clean(tiny_task: Path) -> Task:
    """A task without findings: 120 test rows of words that share nothing."""
    numbers = random.Random(0)
    words = ["".join(numbers.choices("abcdefghij", k=30)) for _ in range(180)]
    rows = [example(f"r{i}", word, ("red", "green", "blue")[i % 3]) for i, word in enumerate(words)]
    parts = {"train": tuple(rows[:40]), "dev": tuple(rows[40:60]), "test": tuple(rows[60:])}
    return replace(load(tiny_task), splits=parts, corpus=())


def with_rows(task: Task, split: str, *rows: Example) -> Task:
    return replace(task, splits={**task.splits, split: (*task.splits[split], *rows)})


def found(task: Task) -> dict[str, problems.Problem]:
    return {problem.check: problem for problem in checks.problems(task)}


def test_clean_data_have_no_findings(clean: Task) -> None:
    assert checks.problems(clean) == []


def test_duplicates_and_contradictions(clean: Task) -> None:
    text = clean.splits["train"][0].input["input"].upper() + " "
    task = with_rows(clean, "train", example("d1", text), example("d2", text, "blue"))
    problem = found(task)["duplicates"]
    assert problem.level == "warning"
    assert problem.message.startswith("2 train rows repeat")
    assert "1 input has more than one answer" in problem.message
    assert problem.ids == ("d1", "d2")


@pytest.mark.parametrize("split", ["test", "dev"])
def test_leaks(clean: Task, split: str) -> None:
    text = clean.splits["train"][3].input["input"]
    task = with_rows(clean, split, example("same", f"  {text.title()}\n"), example("near", f"{text}z"))
    problems = found(task)
    assert problems[f"leak train/{split}"].ids == ("same",)
    nearly = problems[f"near leak train/{split}"]
    assert nearly.ids == ("near≈r3",)
    assert "nearly the same as a train input, such as near and r3" in nearly.message
    assert "at least 80 % of the two texts is shared" in nearly.message


def test_near_leaks_are_said_to_be_skipped_where_they_would_take_too_long(
    clean: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "NEAR_LIMIT", 10)
    assert found(clean)["near leak"].level == "note"


def test_missing_documents(clean: Task, tiny_task: Path) -> None:
    task = with_rows(clean, "test", example("gone", "where is it", context_ids=("d0", "d99")))
    assert found(task)["context_ids"].level == "warning"
    problem = found(replace(task, corpus=load(tiny_task).corpus))["context_ids"]
    assert (problem.level, problem.ids) == ("error", ("gone",))
    assert "d99" in problem.message
    assert "d0," not in problem.message


def test_labels_never_seen_or_never_used(clean: Task) -> None:
    train = tuple(row for row in clean.splits["train"] if row.target != "blue")
    task = replace(clean, splits={**clean.splits, "train": train})
    problems = [p for p in checks.problems(task) if p.check == "labels"]
    assert [p.message for p in problems] == [
        "1 label of dev never occurs in train: blue",
        "1 label of test never occurs in train: blue",
    ]
    unused = replace(clean, format=clean.format.replace(choices=("red", "green", "blue", "pink")))
    assert found(unused)["labels"].message == "1 choice is the answer of no row: pink"


def test_the_majority_baseline_is_that_of_train(clean: Task) -> None:
    task = with_rows(clean, "train", *(example(f"g{i}", f"more {i}", "green") for i in range(5)))
    labels = label_checks.labels(task)
    assert labels is not None
    assert labels.majority == "green"
    assert labels.baseline == statistics.mean(row.target == "green" for row in task.splits["test"])
    assert labels.totals["green"] == 60 + 5
    assert list(labels.counts["train"]) == ["green", "red", "blue"]


def test_small_and_missing_splits(clean: Task) -> None:
    task = replace(clean, splits={"train": (), "dev": (), "test": clean.splits["test"][:25]})
    problems = [p for p in checks.problems(task) if p.check == "size"]
    assert [p.level for p in problems] == ["warning", "note", "note"]
    assert "±20 points" in problems[0].message


def test_too_long_answers_and_prompts(clean: Task) -> None:
    prompts = {row.id: 90 for part in clean.splits.values() for row in part}
    answers = {row.id: 5 for part in clean.splits.values() for row in part}
    assert checks.too_long(clean, prompts, answers, 95) == []
    answers["r0"] = clean.max_new_tokens + 1
    answers["r60"] = clean.max_new_tokens + 1
    problems = checks.too_long(clean, prompts, answers, None)
    assert [(p.level, p.check, p.ids) for p in problems] == [
        ("warning", "max_new_tokens", ("r0",)),
        ("error", "max_new_tokens", ("r60",)),
    ]
    assert [p.ids for p in checks.too_long(clean, prompts | {"r61": 91}, {}, 90)] == [("r61",)]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50))
def test_lengths_agree_with_numpy(values: list[int]) -> None:
    result = checks.lengths(values)
    assert result is not None
    assert (result.min, result.median, result.max) == (min(values), numpy.median(values), max(values))
    assert result.p95 == numpy.percentile(values, 95, method="inverted_cdf")


TEXTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), st.text("ab", max_size=24), max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(left=TEXTS, right=TEXTS, threshold=st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_near_duplicates_are_those_of_comparing_every_pair(
    left: dict[str, str], right: dict[str, str], threshold: float
) -> None:
    best = {
        key: max((jaccard(grams(text), grams(other)) for text in left.values()), default=0.0)
        for key, other in right.items()
    }
    expected = {key: value for key, value in best.items() if value >= threshold}
    assert {pair.right: pair.similarity for pair in near(left, right, threshold).pairs} == expected


def test_near_duplicates_are_found_among_many_texts_of_few_words() -> None:
    numbers = random.Random(0)
    words = [
        "the",
        "order",
        "was",
        "late",
        "please",
        "refund",
        "my",
        "card",
        "account",
        "is",
        "not",
        "working",
        "today",
        "help",
        "me",
        "now",
        "again",
    ]
    texts = [" ".join(numbers.choices(words, k=14)) for _ in range(15_000)]
    left = {f"train{i}": text for i, text in enumerate(texts[:12_000])}
    right = {f"test{i}": text for i, text in enumerate(texts[12_000:])}
    changed = {f"changed{i}": left[f"train{i}"] + "!?" for i in range(0, 12_000, 60)}
    nearest = near(left, right | changed)
    assert not nearest.exact
    assert all(pair.similarity >= 0.8 for pair in nearest.pairs)
    hits = {pair.right: pair.left for pair in nearest.pairs}
    assert {key: hits[key] for key in changed} == {key: key.replace("changed", "train") for key in changed}


def test_a_search_that_may_miss_some_says_at_least(clean: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    row = clean.splits["train"][0]
    task = with_rows(clean, "test", example("n1", row.input["input"] + "x"))
    assert found(task)["near leak train/test"].message.startswith("1 test input is nearly")
    monkeypatch.setattr(near_duplicates, "EXACT_CHARACTERS", 10)
    assert found(task)["near leak train/test"].message.startswith("at least 1 test input is nearly")
    assert found(task)["near leak train/test"].ids == ("n1≈r0",)
