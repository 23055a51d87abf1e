"""What tells two ways of scoring or two data sets apart is said in words: a hash says nothing to a reader."""

from __future__ import annotations

import dataclasses
import re

from harness.regression import config_diff
from harness.results import likeness, unlike_words
from harness.results.pins import Sample
from harness.results.records.run import TaskRecord
from tests.unit.regress_kit import snapshot

LABELS = [f"a label of the queue {number}" for number in range(20)]
HASH = re.compile(r"\b[0-9a-f]{8}\b")


def task(choices: list[str]) -> TaskRecord:
    scorer = {"name": "exact", "binary": True, "identity": {"kind": "exact", "version": 1}}
    return TaskRecord.of(
        {
            "name": "t",
            "primary": "exact",
            "scorers": [scorer],
            "format": {"kind": "choice", "choices": choices, "version": 1},
        }
    )


def test_of_changed_labels_those_are_named_that_only_some_have() -> None:
    (item,) = likeness.scored(task(LABELS), task([*LABELS[1:], "refund"]))
    assert item.sentence == (
        "format: choices with 'a label of the queue 0', kind=choice, version=1 → choices with 'refund', kind=choice, version=1"
    )
    (item,) = likeness.scored(task(LABELS), task([*LABELS, "refund"]))
    assert item.sentence.startswith("format: choices without 'refund', kind")
    (item,) = likeness.scored(task(LABELS), task(LABELS[::-1]))
    assert item.sentence.startswith("format: choices in one order, kind")


def test_three_ways_of_scoring_are_told_apart_without_a_hash() -> None:
    ways = likeness.apart([task(LABELS), task([*LABELS, "refund"]), task([*LABELS, "api"])])
    assert len(set(ways)) == 3
    assert "choices without 'refund', 'api'" in ways[0]
    assert "choices with 'refund'" in ways[1]
    assert not HASH.search(" ".join(ways))


def test_a_changed_schema_is_named_by_the_place_of_the_change() -> None:
    schemas = [{"type": "object", "properties": {"queue": {"enum": [*LABELS, last]}}} for last in ("x", "y")]
    assert unlike_words.texts("schema", schemas) == [
        "schema.properties.queue.enum with 'x'",
        "schema.properties.queue.enum with 'y'",
    ]
    assert unlike_words.texts("pattern", ["a" * 60 + "b", "a" * 60 + "c"]) == [
        "pattern=…aaaaaaaaaab",
        "pattern=…aaaaaaaaaac",
    ]
    assert unlike_words.texts("pattern", ["a" * 60, None])[1] == "no pattern"


def test_changed_data_are_said_in_examples_and_not_in_hashes() -> None:
    about = {"name": "t", "primary": "exact", "scorers": [{"name": "exact", "binary": True}]}
    old = snapshot([1.0] * 5, task=about | {"data_hash": "a" * 64})
    new = snapshot([1.0] * 6, task=about | {"data_hash": "b" * 64})

    def line(samples: tuple[Sample, ...]) -> str:
        (sentence,) = [
            one.sentence
            for one in config_diff.between(old, dataclasses.replace(new, samples=samples))
            if one.fact == config_diff.DATA
        ]
        return sentence

    first, second, *rest = new.samples
    relabeled = dataclasses.replace(first, example="other")
    reworded = dataclasses.replace(second, example="other", prompt="other")
    assert line((relabeled, reworded, *rest)) == (
        "task.data_hash: 2 of 6 examples changed, 1 of them in the expected answer alone, 1 added"
    )
    assert line(new.samples[:5]).startswith("task.data_hash: the examples are the same; training data")
    assert line(new.samples[1:]) == "task.data_hash: 1 added, 1 gone"


def test_values_that_differ_by_a_null_a_duplicate_or_a_type_are_told_apart() -> None:
    long = "x" * 60
    assert unlike_words.texts("schema", [{"a": None, "b": long}, {"b": long}]) == [
        "schema.a is null",
        "no schema.a",
    ]
    assert unlike_words.texts("choices", [[long, long, "b"], [long, "b"]]) == [
        "choices with 3 items, 2 of them different",
        "choices with 2 items, 2 of them different",
    ]
    assert unlike_words.texts("choices", [[True, long], [1, long]]) == [
        "choices with 'true'",
        "choices with '1'",
    ]
    assert unlike_words.texts("choices", [["b", long], [long, "b"]])[0] == "choices in one order"
