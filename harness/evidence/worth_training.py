"""Whether training can still change the answer: what the probes, the prompts and the smaller trainings say of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.formatting import signed
from harness.evidence.label_curve import LabelCurve
from harness.evidence.triage import Triage
from harness.evidence.verdict_types import RecipeSummary


def ruled_out(triage: Triage | None, recipe: str) -> str:
    """Why the probes of `harness diagnose` rule a recipe out; empty where they do not, or cannot tell."""
    predictions = () if triage is None else triage.predictions
    reasons = [p.because for p in predictions if recipe in p.recipes and not p.worth and p.certain]
    return f"the probes rule it out: {reasons[0]}" if reasons else ""


def nothing_to_gain(summaries: Sequence[RecipeSummary], margin: float) -> str:
    """Why no training can be better by more than the margin: a recipe that trains nothing is nearly perfect.

    Args:
        summaries: of recipes that train nothing, with intervals that hold together.
    """
    best = max((one for one in summaries if not one.oracle), key=lambda one: one.low, default=None)
    if best is None or best.low < 1.0 - margin:
        return ""
    return (
        f"{best.recipe} scores {100 * best.mean:.1f} points [{100 * best.low:.1f}, {100 * best.high:.1f}]: "
        f"no training can beat that by more than the margin of {100 * margin:g}"
    )


def curve_is_flat(curve: LabelCurve, labels: int, others: Sequence[RecipeSummary], margin: float) -> str:
    """Why a training on `labels` examples, more than any point of the curve has, cannot change the answer.

    Either it is shown to gain less than the margin over the last point, or even the upper end of what it may gain
    leaves it below the lower end of another recipe.

    Args:
        others: recipes without a curve, with intervals that hold together.
    """
    last = max(curve.points, key=lambda point: point.labels)
    if curve.next_high is None or labels <= last.labels:
        return ""
    most = max(0.0, curve.next_high) * math.log2(labels / last.labels)
    if most < margin:
        return (
            f"{labels} labels instead of {last.labels} are shown to gain {signed(most)} points at most, less "
            f"than the margin of {100 * margin:g}"
        )
    best = max((one for one in others if not one.oracle), key=lambda one: one.low, default=None)
    if best is not None and last.high + most < best.low:
        return (
            f"with {labels} labels it can reach {100 * (last.high + most):.1f} points at most, and {best.recipe} has "
            f"at least {100 * best.low:.1f}"
        )
    return ""
