"""What every scorer owes: a right answer scores more than a wrong one, as its probe says, all within [0, 1]."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.kinds import build, lookup, names
from harness.core.probes import ScorerProbe
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
SQL = st.sampled_from(["SELECT 1", "SELECT 1.0", "SELECT 2 UNION SELECT 1", "SELECT NULL"])
CODE = st.sampled_from(["x = 1", "assert True", ""])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{"text": TEXT, "json": JSON, "any": JSON | TEXT, "number": NUMBER},
    **{"sql": SQL, "code": CODE},
}
EXAMPLE = Example(id="x", input={}, target=None)


@pytest.fixture(autouse=True, scope="module")
def _allowed() -> Iterator[None]:
    """The contract runs the code of its own probes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_ALLOW_CODE", "1")
        yield


def _build(name: str) -> Scorer:
    scorer: Scorer = build("scorers", {"kind": name, **lookup("scorers", name).probe().settings})
    return scorer


def check_scorer(scorer: Scorer) -> None:
    """What a scorer owes on the examples of its probe."""
    probe = scorer.probe()
    right, wrong = (scorer.score(*pair, EXAMPLE)[0] for pair in (probe.right, probe.wrong))
    assert wrong < right, f"{scorer.name()}: {probe.wrong} scored {wrong}, {probe.right} {right}; 1 is best"
    assert wrong <= probe.wrong_most, (
        f"{probe.wrong} scored {wrong}; a soft scorer sets wrong_most in probe()"
    )
    assert right >= probe.right_least, (
        f"{probe.right} scored {right}; a soft scorer sets right_least in probe()"
    )
    if scorer.binary:
        assert (wrong, right) == (0.0, 1.0)
    if probe.several_targets:
        accepted = [probe.right[1], probe.wrong[1]]
        for order in (accepted, accepted[::-1]):
            assert scorer.score(probe.right[0], order, EXAMPLE)[0] >= right


def check_scores(scorer: Scorer, value: Any, target: Any) -> None:
    """What a scorer owes on any value and target of its kind."""
    score, reason = scorer.score(value, target, EXAMPLE)
    assert 0.0 <= score <= 1.0, f"{value!r} against {target!r} scored {score}; scores are in [0, 1]"
    assert isinstance(score, float)
    assert isinstance(reason, str)
    if scorer.binary:
        assert score in (0.0, 1.0)
    assert scorer.score(target, target, EXAMPLE)[0] >= scorer.probe().right_least


@pytest.fixture(params=names("scorers"))
def scorer(request: pytest.FixtureRequest) -> Scorer:
    return _build(request.param)


def test_a_right_answer_scores_more_than_a_wrong_one(scorer: Scorer) -> None:
    check_scorer(scorer)


def test_frozen(scorer: Scorer) -> None:
    field = next(iter(dataclasses.fields(scorer)), None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(scorer, field.name if field else "version", None)


@pytest.mark.parametrize("name", names("scorers"))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_scores_stay_in_range_and_the_target_meets_itself(name: str, data: st.DataObject) -> None:
    scorer = _build(name)
    values = VALUES[scorer.probe().takes]
    check_scores(scorer, data.draw(values), data.draw(values))


def test_the_contract_admits_a_soft_scorer_and_refuses_a_blind_one() -> None:
    check_scorer(Soft())
    check_scores(Soft(), "any text", "another")
    with pytest.raises(AssertionError):
        check_scorer(Blind())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Soft(Scorer):
    """Common letters: a wrong answer has some of them, and no answer reaches 1."""

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(right_least=0.9, wrong_most=0.5, several_targets=False)

    def score(self, value: Any, target: Any, example: Example) -> tuple[float, str]:
        first, second = set(str(value)), set(str(target))
        return 0.95 * (len(first & second) / len(first | second) if first | second else 1.0), ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blind(Scorer):
    def score(self, value: Any, target: Any, example: Example) -> tuple[float, str]:
        return 1.0, ""
