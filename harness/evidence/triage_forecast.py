"""Which methods are worth GPU time, predicted before any training and checked afterward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.core.formatting import signed
from harness.evidence.gap_attribution import MEMORABLE, Gap
from harness.evidence.verdict_types import Jsonable, Verdict

Gains = Mapping[str, tuple[float, float, float]]
"""Probe → (mean gain over the plain prompt, low, high)."""
Ends = Mapping[Gap, tuple[float, float]]
"""Gap → interval of its share of the lost score."""

ENOUGH = 0.15
"""A gap with a smaller part of the lost score does not justify a method of its own, and neither does a probe
that is shown to gain less."""
LEAST = 0.06
"""A gain of six points would be worth having however much is lost: while an interval reaches it, nothing is ruled out. Sixty
examples on which nothing changes exclude it."""
HALF = 0.5
PLAIN = "zero_shot"


@dataclass(frozen=True, kw_only=True)
class Prediction(Jsonable):
    """Whether recipes are expected to be worth trying, and why."""

    recipes: tuple[str, ...]
    worth: bool
    because: str
    certain: bool = True
    """Whether the probes can tell; if not, `worth` is False and nothing is ruled out."""

    @property
    def words(self) -> str:
        return "worth trying" if self.worth else "not worth it" if self.certain else "cannot tell"


@dataclass(frozen=True, kw_only=True)
class ForecastOutcome(Jsonable):
    """A prediction and the outcome: the recipe's gain over the plain prompt."""

    recipe: str
    predicted: bool
    because: str
    gain: float
    low: float
    high: float
    agrees: bool | None
    """None when the data cannot tell whether the recipe gained anything, or the probes could not."""


def predict(
    shares: Mapping[Gap, float],
    gains: Gains,
    train_overlap: float,
    *,
    n: int,
    lost: float,
    few: bool = False,
    ends: Ends | None = None,
) -> tuple[Prediction, ...]:
    """Predictions from the shares of the lost score and from what the probes gained.

    Args:
        n: examples that were probed.
        lost: mean score that the plain prompt loses.
        few: whether the examples are too few for what is read off the shares, which have no test of their own.
        ends: what is read off a share rules nothing out while the share's interval reaches the other answer.
    """
    ends = ends or {}
    form, skill = shares.get("form", 0.0), shares.get("skill", 0.0)
    knowledge, retrieval = shares.get("knowledge", 0.0), shares.get("retrieval", 0.0)
    enough = min(ENOUGH * lost, LEAST)
    probed = [_from_gain(recipe, gains[probe], n, enough) for recipe, probe in _PROBED if probe in gains]
    facts = knowledge + retrieval
    least_facts = facts - math.hypot(*(shares.get(gap, 0.0) - ends[gap][0] for gap in _FACTS if gap in ends))
    finetuning = _finetuning(form, skill, facts, train_overlap)
    predictions = [finetuning if finetuning.worth or least_facts > HALF else _unsure(finetuning, n)]
    if "bm25" in gains:
        unused = knowledge >= ENOUGH and gains["bm25"][2] < ENOUGH * lost
        both = unused or (knowledge >= ENOUGH and form + skill >= ENOUGH)
        because = f"{_share(knowledge)} is knowledge that BM25 finds, {_share(form + skill)} form or skill"
        if unused:
            because = (
                f"{_share(knowledge)} is knowledge in passages that BM25 finds and the model does not use"
            )
        combined = Prediction(recipes=("rag_lora",), worth=both, because=because)
        known = knowledge < ENOUGH and not _reaches(ends, "knowledge")
        learned = form + skill < ENOUGH and not (_reaches(ends, "form") or _reaches(ends, "skill"))
        predictions.append(combined if both or known or learned else _unsure(combined, n))
    if "gold" in gains:
        because = f"{_share(retrieval)} is lost because BM25 misses passages that would help"
        better = Prediction(recipes=("dense_rag", "hybrid_rag"), worth=retrieval >= ENOUGH, because=because)
        predictions.append(better if better.worth or not _reaches(ends, "retrieval") else _unsure(better, n))
    return (*probed, *(_unsure(p, n) if few else p for p in predictions))


_FACTS: tuple[Gap, ...] = ("knowledge", "retrieval")


def _reaches(ends: Ends, gap: Gap) -> bool:
    """Whether a share may be large enough to justify a method, by its interval."""
    return gap in ends and ends[gap][1] >= ENOUGH


def _unsure(prediction: Prediction, n: int) -> Prediction:
    because = f"{prediction.because}, and {n} examples cannot tell whether that is so"
    return replace(prediction, worth=False, certain=False, because=because)


_PROBED = (("few_shot", "few_shot"), ("constrained", "constrained"), ("bm25_rag", "bm25"))


def _from_gain(recipe: str, gain: tuple[float, float, float], n: int, enough: float) -> Prediction:
    mean, low, high = gain
    ends = f"[{signed(low)}, {signed(high)}]"
    because = f"the probe changed the score by {signed(mean)} points {ends}"
    certain = low > 0 or high < enough
    if not certain:
        because += f", and {n} examples cannot tell whether that is a gain"
    return Prediction(recipes=(recipe,), worth=low > 0, because=because, certain=certain)


def _finetuning(form: float, skill: float, facts: float, overlap: float) -> Prediction:
    learnable = form + skill
    because = f"{_share(form)} is form and {_share(skill)} skill, which labels can teach"
    if overlap >= MEMORABLE:
        because += f"; {_share(overlap)} of the answers occur in train"
    if facts > learnable:
        because = f"{_share(facts)} is knowledge, which labeled examples do not hold"
    worth = learnable >= ENOUGH and facts <= learnable
    return Prediction(recipes=("lora", "qlora", "full"), worth=worth, because=because)


def compare(predictions: tuple[Prediction, ...], verdict: Verdict) -> tuple[ForecastOutcome, ...]:
    """Predictions and outcomes, for every recipe with a prediction that was run with zero_shot."""
    rows = []
    for prediction in predictions:
        for recipe in prediction.recipes:
            comparison = verdict.comparison(recipe, PLAIN)
            if comparison is None or recipe == PLAIN:
                continue
            sign = 1.0 if comparison.recipe == recipe else -1.0
            low, high = sorted((sign * comparison.low, sign * comparison.high))
            gained = True if low > 0 else False if high < verdict.margin else None
            rows.append(
                ForecastOutcome(
                    recipe=recipe,
                    predicted=prediction.worth,
                    because=prediction.because,
                    gain=sign * comparison.difference,
                    low=low,
                    high=high,
                    agrees=gained == prediction.worth if gained is not None and prediction.certain else None,
                )
            )
    return tuple(rows)


def _share(part: float) -> str:
    return f"{100 * part:.0f} %"
