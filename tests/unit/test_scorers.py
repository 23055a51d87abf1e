"""Scorers against hand-worked numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.kinds import build
from harness.core.values import Example

EXAMPLE = Example(id="x", input={}, target=None)


def _score(kind: str, value: Any, target: Any, **knobs: Any) -> float:
    return float(build("scorers", {"kind": kind, **knobs}).score(value, target, EXAMPLE)[0])


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        ("the Norman dynasty", "Norman dynasty", 1.0),  # an article does not count
        ("Norman kings", "Norman dynasty", 0.5),  # one of two words on each side
        (
            "10th and 11th centuries",
            ["10th century", "in the 10th and 11th centuries"],
            8 / 9,
        ),  # 4 of 4, 4 of 5
        ("", "x", 0.0),
    ],
)
def test_f1_is_squads(value: str, target: Any, expected: float) -> None:
    assert _score("f1", value, target) == pytest.approx(expected)


def test_exact_normalises_texts_and_compares_values() -> None:
    assert _score("exact", "The  Cat!", "cat") == 1.0
    assert _score("exact", "cats", "cat") == 0.0
    assert _score("exact", "b", ["a", "b"]) == 1.0
    assert _score("exact", {"a": 1}, {"a": 1}) == 1.0
    assert _score("exact", True, 1) == 0.0
    assert _score("exact", {"a": [True]}, {"a": [1]}) == 0.0
    assert _score("exact", {"a": 1.0}, {"a": 1}) == 1.0
    assert _score("exact", "SELECT a < b", "SELECT a > b") == 0.0
    assert _score("exact", "the cat", "cat") == 1.0
    assert _score("exact", "the cat", "cat", normalise=False) == 0.0


def test_contains_wants_whole_words() -> None:
    assert _score("contains", "It opens at 10:05 sharp.", "10:05") == 1.0
    assert _score("contains", "concatenate", "cat") == 0.0
    assert _score("contains", "extension 73051", "7305") == 0.0
    assert _score("contains", "a cat, I think", ["dog", "cat"]) == 1.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1, "b": {"c": "X"}}, 1.0),  # case does not matter
        ({"a": 1, "b": {"c": "y"}}, 0.5),  # one of two right on each side
        ({"a": 1}, 2 / 3),  # precision 1, recall 1/2
        ({"a": 1, "b": {"c": "x"}, "d": 2}, 0.8),  # precision 2/3, recall 1
        ({"a": "1", "b": {"c": "x"}}, 0.5),  # a text is not a number
    ],
)
def test_fields_counts_leaves(value: Any, expected: float) -> None:
    assert _score("fields", value, {"a": 1, "b": {"c": "x"}}) == pytest.approx(expected)


def test_fields_says_where() -> None:
    scorer = build("scorers", "fields")
    assert scorer.score({"a": 1, "c": 2}, {"a": 2, "c": 2}, EXAMPLE)[1] == "differs at $.a"
    assert scorer.score({"a": 1}, {"a": 1}, EXAMPLE) == (1.0, "")


def test_fields_keeps_paths_and_lists_apart() -> None:
    assert _score("fields", {"a.b": 1}, {"a": {"b": 1}}) == 0.0
    assert _score("fields", [1, 2], [2, 1]) == 0.0
    assert _score("fields", {"a": 1.0}, {"a": 1}) == 1.0
    assert _score("fields", {"a": True}, {"a": 1}) == 0.0
    assert _score("fields", {}, {"a": 1}) == 0.0


@pytest.mark.parametrize(
    ("value", "target", "tolerances", "expected"),
    [
        (100.00001, 100, {}, 1.0),  # 1e-7 of the value
        (100.001, 100, {}, 0.0),  # 1e-5 of the value
        (101, 100, {"relative": 0.01}, 1.0),
        (102, 100, {"relative": 0.01}, 0.0),
        (0.04, 0, {"absolute": 0.05}, 1.0),  # nothing is relatively near to zero
        (0.04, 0, {"relative": 0.5}, 0.0),
        (7, [5, 7], {}, 1.0),
    ],
)
def test_number_has_two_tolerances(value: float, target: Any, tolerances: Any, expected: float) -> None:
    assert _score("number", value, target, **tolerances) == expected


@pytest.mark.parametrize(
    ("value", "target", "tolerances", "expected"),
    [
        (1234568, 1234567, {}, 0.0),  # 8e-7 of the value: another count
        (20241110, 20241101, {}, 0.0),
        (987654321.0, 987654322, {}, 0.0),
        (12345678, 12345678.0, {}, 1.0),
        (12345.66, 12345.67, {}, 0.0),  # one cent
        (12345.67, 12345.67, {}, 1.0),
        (12345.67, 12345.6700001, {}, 1.0),  # the target has more decimals than an amount
        (33333.33, 33333.333333, {}, 1.0),
        (6.0221407e23, 6.0221408e23, {}, 1.0),  # no float of this size has an exact last digit
        (1234568, 1234567, {"relative": 0.01}, 1.0),
        (1234568, 1234567, {"absolute": 1}, 1.0),
        (1234568, [1234567, 1234568], {}, 1.0),
    ],
)
def test_the_default_tolerance_is_for_rounded_decimals(
    value: float, target: Any, tolerances: Any, expected: float
) -> None:
    assert _score("number", value, target, **tolerances) == expected


def test_rouge_of_lins_example() -> None:
    assert _score("rouge", "police kill the gunman", "police killed the gunman") == 0.75
    assert _score("rouge", "the gunman kill police", "police killed the gunman") == 0.5


WORDS = st.lists(
    st.sampled_from(["a", "b", "c", "d", "e", "The", "cat-flap", "3.5", "x,y", "AB"]), min_size=1, max_size=14
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(value=WORDS, targets=st.lists(WORDS, min_size=1, max_size=3))
def test_rouge_is_rouge_scores(value: str, targets: list[str]) -> None:
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    expected = rouge_scorer.RougeScorer(["rougeL"]).score_multi(targets, value)["rougeL"].fmeasure
    assert _score("rouge", value, targets) == pytest.approx(expected, abs=1e-12)


def test_rouge_of_long_answers() -> None:
    words = " ".join(f"w{i % 977}" for i in range(100_000))
    assert _score("rouge", words, "w1 w3 w2 absent") == pytest.approx(2 * 3 / 100_004)
