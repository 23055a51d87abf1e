"""What every scorer owes: a right answer scores 1, a wrong one 0, and every score is in [0, 1]."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.kinds import build, names
from harness.core.protocols import Scorer
from harness.core.values import Example

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "B", "x y"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=3)
    ),
    max_leaves=6,
)
WORDS = st.lists(st.sampled_from(["the", "blue", "Whale", "10:05", "-", "whale."]), max_size=5).map(" ".join)
TEXT = WORDS | st.text(max_size=30)
NUMBER = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: dict[str, st.SearchStrategy[Any]] = {"fields": JSON, "exact": JSON | TEXT, "number": NUMBER}
"""What a scorer is handed; free text where nothing is said."""
WRONG: dict[str, tuple[Any, Any]] = {"fields": ({"a": 2}, {"b": 1}), "number": (3, 4)}
EXAMPLE = Example(id="x", input={}, target=None)


@pytest.fixture(params=names("scorers"))
def scorer(request: pytest.FixtureRequest) -> Scorer:
    found: Scorer = build("scorers", request.param)
    return found


def test_a_wrong_answer_scores_zero(scorer: Scorer) -> None:
    value, target = WRONG.get(scorer.name(), ("red fox", "blue whale"))
    assert scorer.score(value, target, EXAMPLE)[0] == 0.0


def test_frozen(scorer: Scorer) -> None:
    field = next(iter(dataclasses.fields(scorer)), None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(scorer, field.name if field else "version", None)


@pytest.mark.parametrize("name", names("scorers"))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_scores_stay_in_range_and_the_target_scores_one(name: str, data: st.DataObject) -> None:
    scorer: Scorer = build("scorers", name)
    values = VALUES.get(name, TEXT)
    value, target = data.draw(values), data.draw(values)
    score, reason = scorer.score(value, target, EXAMPLE)
    assert 0.0 <= score <= 1.0
    assert isinstance(score, float)
    assert isinstance(reason, str)
    if scorer.binary:
        assert score in (0.0, 1.0)
    assert scorer.score(target, target, EXAMPLE)[0] == 1.0


@pytest.mark.parametrize("name", sorted(set(names("scorers")) - {"fields"}))
def test_each_of_several_accepted_targets_scores_one(name: str) -> None:
    scorer: Scorer = build("scorers", name)
    accepted = [1, 2.5] if name == "number" else ["blue whale", "red fox"]
    for target in accepted:
        assert scorer.score(target, accepted, EXAMPLE)[0] == 1.0
