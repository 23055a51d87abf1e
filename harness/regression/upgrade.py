"""Two bases, the same recipes: what changed because of the base, and what because of the adaptation.

Of a recipe that trains, four runs per seed stand in a 2×2 table (old or new base, untuned or trained)
and a fifth is the old trained part moved onto the new base:

    total change      trained new − trained old
    base effect       untuned new − untuned old
    adaptation effect (trained new − untuned new) − (trained old − untuned old)

The last two add up to the first. All are paired by example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.evidence.stats import power
from harness.evidence.stats.equivalence import not_worse
from harness.evidence.stats.seeds import TrainingNoise
from harness.regression import example_flips as flips
from harness.regression import metric_check
from harness.regression.metric_check import Pairs
from harness.results.pins import Snapshot

Answer = Literal["upgrade_as_is", "upgrade_and_retrain", "stay", "inconclusive"]
WORDS: Mapping[str, str] = {
    "upgrade_as_is": "upgrade as it is",
    "upgrade_and_retrain": "upgrade and retrain",
    "stay": "stay on the old base",
    "inconclusive": "stay for now: it cannot be told",
}


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A paired change of the primary score with its 95 % interval; above 0 is better."""

    change: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The runs of one recipe. `untuned_*` are None where the recipe trains nothing."""

    old: Snapshot
    new: Snapshot
    untuned_old: Snapshot | None = None
    untuned_new: Snapshot | None = None
    moved: Snapshot | None = None
    not_moved: str = ""
    """Why the old trained part could not be moved."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One recipe on both bases, and what to do about it. Seconds are of this machine."""

    recipe: str
    answer: Answer
    reason: str
    total: Effect
    base_effect: Effect | None
    adaptation_effect: Effect | None
    as_is: Effect | None
    """The moved trained part (or the prompt, where nothing is trained) against the old run."""
    not_moved: str
    retrain_seconds: float
    scores: Mapping[str, float]
    flips: flips.Flips
    examples_needed: int | None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def replay(recipe: str, cells: Cells, margin: float, *, noise: TrainingNoise | None = None) -> Replay:
    """Judge one recipe's upgrade; `noise` is the floor of a trained run's mean."""
    total = effect({"new": cells.new, "old": cells.old}, {"new": 1, "old": -1}, noise)
    base = adaptation = None
    as_is: Effect | None = total
    if cells.untuned_old is not None and cells.untuned_new is not None:
        sides = {
            "new": cells.new,
            "old": cells.old,
            "bare_new": cells.untuned_new,
            "bare_old": cells.untuned_old,
        }
        base = effect(sides, {"bare_new": 1, "bare_old": -1}, None)
        adaptation = effect(sides, {"new": 1, "bare_new": -1, "old": -1, "bare_old": 1}, noise)
        as_is = (
            None
            if cells.moved is None
            else effect({"m": cells.moved, "o": cells.old}, {"m": 1, "o": -1}, None)
        )
    answer, reason = _answer(as_is, total, margin, cells)
    sides = {name: side for name, side in vars(cells).items() if isinstance(side, Snapshot)}
    return Replay(
        recipe=recipe,
        answer=answer,
        reason=reason,
        total=total,
        base_effect=base,
        adaptation_effect=adaptation,
        as_is=as_is,
        not_moved=cells.not_moved,
        retrain_seconds=float((cells.new.head.get("train") or {}).get("seconds", 0.0)),
        scores={name: _mean(side) for name, side in sides.items()},
        flips=flips.between(cells.old, cells.moved or cells.new),
        examples_needed=_needed(as_is or total, margin) if answer == "inconclusive" else 0,
    )


def effect(sides: Mapping[str, Snapshot], weights: Mapping[str, int], noise: TrainingNoise | None) -> Effect:
    """The weighted sum of runs' scores on the examples that all have: mean and 95 % interval."""
    used = [name for name in sides if name in weights]
    columns = {n: {s.id: s.values.get(sides[n].primary) for s in sides[n].samples} for n in used}
    ids = [id for id in columns[used[0]] if all(columns[n].get(id) is not None for n in used)]
    table = {n: np.array([columns[n][id] for id in ids], dtype=float) for n in used}
    after = sum((weights[n] * table[n] for n in used if weights[n] > 0), np.zeros(len(ids)))
    before = sum((-weights[n] * table[n] for n in used if weights[n] < 0), np.zeros(len(ids)))
    groups = {sample.id: sample.group for sample in sides[used[0]].samples}
    first = sides[used[0]]
    pairs = Pairs(
        metric="primary",
        before=before,
        after=after,
        groups=[groups[id] for id in ids],
        binary=first.binary(first.primary) and len(used) == 2,
        noise=noise,
    )
    found = metric_check.change(pairs)
    low, high = found.interval()
    return Effect(change=found.mean, low=low, high=high, n=len(ids))


def _answer(as_is: Effect | None, total: Effect, margin: float, cells: Cells) -> tuple[Answer, str]:
    """The cheapest way up that is not worse than staying; retraining where it gains what is asked for."""
    trains = cells.untuned_old is not None
    retrained_better = as_is is not None and total.low > max(as_is.high, as_is.change + margin)
    if as_is is not None and not_worse(as_is.low, margin) and not (trains and retrained_better):
        what = "the old trained part on the new base" if trains else "the same prompts on the new base"
        return "upgrade_as_is", f"{what}: {_said(as_is)}, not worse by {100 * margin:.3g}"
    if trains and not_worse(total.low, margin):
        why = (
            f"the old part cannot be moved ({cells.not_moved})" if as_is is None else f"as is {_said(as_is)}"
        )
        return "upgrade_and_retrain", f"{why}; retrained {_said(total)}"
    if total.high < 0 and (as_is is None or as_is.high < 0):
        return "stay", f"the new base is worse: {_said(total)}"
    return "inconclusive", f"{_said(total)} does not exclude a loss of {100 * margin:.3g} points"


def _said(found: Effect) -> str:
    return f"{100 * found.change:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def _needed(found: Effect, margin: float) -> int | None:
    se = (found.high - found.low) / 3.92
    total = power.examples_to_settle(found.change, se * found.n**0.5, margin)
    return None if total is None else max(total - found.n, 1)


def _mean(side: Snapshot) -> float:
    known = [value for sample in side.samples if (value := sample.values.get(side.primary)) is not None]
    return float(np.mean(known)) if known else float("nan")
