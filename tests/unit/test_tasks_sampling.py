"""`--limit` takes a sample: seeded, nested, exact, labels and groups in proportion."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from harness.core.values import Example
from harness.tasks.sampling import sample, sample_groups


def rows(labels: str, groups: str = "") -> list[Example]:
    """An example per letter of `labels`, in the group that the same place of `groups` names."""
    return [
        Example(id=f"e{i}", input={"text": f"text {i}"}, target=label, group=groups[i] if groups else None)
        for i, label in enumerate(labels)
    ]


def ids(examples: tuple[Example, ...]) -> list[str]:
    return [example.id for example in examples]


def test_a_larger_sample_contains_every_smaller_one() -> None:
    for examples in (rows("ab" * 20), rows("ab" * 20, "".join(letter * 4 for letter in "jihgfedcba"))):
        chosen = [set(ids(sample(examples, size))) for size in range(42)]
        assert all(small <= large for small, large in pairwise(chosen))
        assert chosen[-1] == {example.id for example in examples}


def test_a_sample_has_exactly_the_number_asked_for() -> None:
    grouped = rows("a" * 50, "".join(letter * 25 for letter in "xy"))
    assert [len(sample(grouped, size)) for size in (0, 1, 7, 49, 50)] == [0, 1, 7, 49, 50]
    assert [len(sample(rows("a" * 50), size)) for size in (0, 1, 7, 49, 50, 99)] == [0, 1, 7, 49, 50, 50]
    assert sample(rows("aaa"), None) == tuple(rows("aaa"))


def test_a_sorted_file_gives_every_label_its_share() -> None:
    counts = Counter(example.target for example in sample(rows("a" * 80 + "b" * 20), 20))
    assert counts == {"a": 16, "b": 4}


def test_examples_keep_the_order_of_the_file_and_the_same_ones_are_chosen_again() -> None:
    first = ids(sample(rows("a" * 100), 10))
    assert first == sorted(first, key=lambda name: int(name[1:]))
    assert first == ids(sample(rows("a" * 100), 10))
    assert first != [f"e{i}" for i in range(10)]


@pytest.mark.parametrize(
    ("size", "least", "most"), [(1, 10, 10), (10, 10, 10), (13, 15, 15), (18, 20, 20), (22, 20, 20)]
)
def test_groups_that_are_set_aside_stay_whole_and_there_are_two_at_least(
    size: int, least: int, most: int
) -> None:
    """Articles of five questions each: one article alone says nothing about others."""
    examples = rows("q" * 40, "".join(letter * 5 for letter in "abcdefgh"))
    chosen = sample_groups(examples, size)
    assert least <= len(chosen) <= most
    assert set(Counter(example.group for example in chosen).values()) == {5}
    assert len({example.group for example in chosen}) >= 2


def test_few_examples_come_from_many_groups_and_many_have_them_in_proportion() -> None:
    """One question of each of ten articles tells more than two articles of 25 questions."""
    examples = rows("0123456789" * 25, "".join(letter * 25 for letter in "abcdefghij"))
    for row, example in enumerate(examples):
        examples[row] = replace(example, target=f"answer {row}")
    assert len({example.group for example in sample(examples, 10)}) == 10
    lopsided = rows("q" * 100, "a" * 80 + "b" * 20)
    shares = Counter(example.group for example in sample([replace(e, target=e.id) for e in lopsided], 20))
    assert shares == {"a": 16, "b": 4}


def test_copies_of_a_text_are_not_a_group() -> None:
    copies = [Example(id=f"e{i}", input={"text": "same"}, target="a") for i in range(10)]
    assert len(sample(copies, 3)) == 3
