"""Two bases, the same recipes: what changed because of the base, and what because of the adaptation.

For a recipe that trains, four runs per seed form a 2×2 table (old or new base, untuned or trained)
and a fifth is the old trained part moved onto the new base:

    total change      trained new − trained old
    base effect       untuned new − untuned old
    adaptation effect (trained new − untuned new) − (trained old − untuned old)

The last two add up to the first. All are paired by example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core import formatting
from harness.evidence.stats import power
from harness.evidence.stats.equivalence import not_worse
from harness.evidence.stats.seeds import TrainingNoise
from harness.regression import example_flips, metric_check
from harness.regression.metric_check import Pairs
from harness.results import likeness
from harness.results.pins import Snapshot

Answer = Literal["upgrade_as_is", "upgrade_and_retrain", "stay", "inconclusive"]
CODES: Mapping[str, int] = {"upgrade_as_is": 0, "upgrade_and_retrain": 0, "stay": 1, "inconclusive": 4}
"""Exit codes, as the gate's: 1 is "the new base is worse"."""
WORDS: Mapping[str, str] = {
    "upgrade_as_is": "upgrade as it is",
    "upgrade_and_retrain": "upgrade and retrain",
    "stay": "stay on the old base",
    "inconclusive": "stay for now: the result is inconclusive",
}


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A paired change of the primary score with its 95 % interval; above 0 is better."""

    change: float
    low: float
    high: float
    n: int
    identical: bool = False
    """Whether both sides gave the same answers, so that nothing changed."""
    groups: int = 0
    """Independent groups among the `n` examples."""

    @property
    def one_group(self) -> bool:
        """Whether all of several examples share one group, so that they say nothing about others."""
        return self.groups < 2 <= self.n


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The runs of one recipe. `untuned_*` are None if the recipe trains nothing."""

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
    flips: example_flips.Flips
    examples_needed: int | None
    provisional: bool = False
    """Whether the answer depends on trained runs whose seed noise was not measured."""
    notes: tuple[str, ...] = ()
    """Differences between the sides other than the base, which may explain a change."""

    def to_json(self) -> dict[str, object]:
        return dataclasses.asdict(self)


def exit_code(replays: Sequence[Replay], *, allow_inconclusive: bool = False) -> int:
    """The exit code of the whole upgrade, in the gate's order: a loss first, then an inconclusive result."""
    codes = {CODES[item.answer] for item in replays}
    return next((code for code in (1, 4) if code in codes and not (code == 4 and allow_inconclusive)), 0)


def replay(recipe: str, cells: Cells, margin: float, *, noise: TrainingNoise | None = None) -> Replay:
    """Judge one recipe's upgrade; `noise` is the floor of a trained run's mean, None if it is not known."""
    total = effect({"new": cells.new, "old": cells.old}, {"new": 1, "old": -1}, noise)
    base = adaptation = None
    as_is: Effect | None = total
    sides = {name: side for name, side in vars(cells).items() if isinstance(side, Snapshot)}
    trains = cells.untuned_old is not None and cells.untuned_new is not None
    if trains:
        base = effect(sides, {"untuned_new": 1, "untuned_old": -1}, None)
        weights = {"new": 1, "untuned_new": -1, "old": -1, "untuned_old": 1}
        adaptation = effect(sides, weights, noise)
        as_is = None if cells.moved is None else effect(sides, {"moved": 1, "old": -1}, None)
    # Claims about retraining must survive training noise, measured or not.
    claimed = effect(sides, {"new": 1, "old": -1}, metric_check.claim_noise(noise)) if trains else total
    answer, reason = _answer(as_is, total, claimed, margin, cells)
    return Replay(
        recipe=recipe,
        answer=answer,
        reason=reason,
        total=total,
        base_effect=base,
        adaptation_effect=adaptation,
        as_is=as_is,
        not_moved=cells.not_moved,
        retrain_seconds=(cells.new.head.train.seconds if cells.new.head.train else None) or 0.0,
        scores={name: side.mean for name, side in sides.items()},
        flips=example_flips.between(cells.old, cells.moved or cells.new),
        examples_needed=_needed(as_is or total, claimed, margin) if answer == "inconclusive" else 0,
        provisional=trains and noise is None and answer in ("upgrade_and_retrain", "stay"),
        notes=tuple(_notes(cells)),
    )


def _notes(cells: Cells) -> Iterator[str]:
    """Versions and scoring that differ between the sides: their effect cannot be distinguished from the base's."""
    unlike = likeness.answered(cells.old.head.versions, cells.new.head.versions)
    unlike += likeness.scored(cells.old.head.task, cells.new.head.task)
    for item in unlike:
        yield f"the sides differ by more than the base: {item.sentence}; run both again with --fresh"


def effect(sides: Mapping[str, Snapshot], weights: Mapping[str, int], noise: TrainingNoise | None) -> Effect:
    """The weighted sum of runs' scores on the examples that all have: mean and 95 % interval.

    Scores lie between 0 and 1, so the interval ends where the sum does.
    """
    used = [name for name in sides if name in weights]
    columns = {n: {s.id: s.values.get(sides[n].primary) for s in sides[n].samples} for n in used}
    ids = [id for id in columns[used[0]] if all(columns[n].get(id) is not None for n in used)]
    bound = float(sum(weight for weight in weights.values() if weight > 0))
    if not ids:
        return Effect(change=0.0, low=-bound, high=bound, n=0)
    table = {n: np.array([columns[n][id] for id in ids], dtype=float) for n in used}
    after = sum((weights[n] * table[n] for n in used if weights[n] > 0), np.zeros(len(ids)))
    before = sum((-weights[n] * table[n] for n in used if weights[n] < 0), np.zeros(len(ids)))
    first = sides[used[0]]
    groups = {sample.id: sample.group for sample in first.samples}
    pairs = Pairs(
        metric="primary",
        before=before,
        after=after,
        groups=[groups[id] for id in ids],
        binary=first.binary(first.primary) and len(used) == 2,
        noise=noise,
        bound=bound,
    )
    change = metric_check.change(pairs)
    low, high = change.interval()
    identical = len(used) == 2 and change.mean == 0.0 and _same_answers(*(sides[name] for name in used))
    return Effect(
        change=change.mean, low=low, high=high, n=len(ids), identical=identical, groups=change.groups
    )


def _same_answers(first: Snapshot, second: Snapshot) -> bool:
    answers = [{sample.id: sample.output for sample in side.samples} for side in (first, second)]
    return answers[0] == answers[1]


def _not_worse(effect: Effect, margin: float) -> bool:
    return effect.identical or not_worse(effect.low, margin)


def _answer(
    as_is: Effect | None, total: Effect, claimed: Effect, margin: float, cells: Cells
) -> tuple[Answer, str]:
    """The cheapest upgrade that is not worse than staying; retraining if it gains what is required."""
    trains = cells.untuned_old is not None
    retrained_better = as_is is not None and claimed.low > max(as_is.high, as_is.change + margin)
    if as_is is not None and _not_worse(as_is, margin) and not (trains and retrained_better):
        what = "the old trained part on the new base" if trains else "the same prompts on the new base"
        return "upgrade_as_is", f"{what}: {_in_words(as_is)}, {_level(as_is, margin)}"
    if trains and _not_worse(total, margin):
        why = (
            f"the old part cannot be moved ({cells.not_moved})"
            if as_is is None
            else f"as is {_in_words(as_is)}"
        )
        return "upgrade_and_retrain", f"{why}; retrained {_in_words(total)}"
    if claimed.high < 0 and (as_is is None or as_is.high < 0):
        return "stay", f"the new base is worse: {_in_words(total)}"
    if total.high < 0 <= claimed.high:
        return "inconclusive", f"{_in_words(total)}; another seed could explain it: measure with gate --aa 3"
    why = f"; {metric_check.ONE_GROUP}" if total.one_group else ""
    return "inconclusive", f"{_in_words(total)} does not exclude a loss of {100 * margin:.3g} points{why}"


def _level(effect: Effect, margin: float) -> str:
    """Why an effect is not a loss: with few examples, the interval alone would not show it for equal answers."""
    return "the same answers" if effect.identical else f"not worse by {100 * margin:.3g}"


def _in_words(effect: Effect) -> str:
    return f"{formatting.signed(effect.change)} points [{formatting.signed(effect.low)}, {formatting.signed(effect.high)}]"


def _needed(effect: Effect, claimed: Effect, margin: float) -> int | None:
    """None if no number of examples settles it, because training noise may explain the loss, or they share a group."""
    if effect.n < 2 or effect.one_group or effect.high < 0 <= claimed.high:
        return None
    se = (effect.high - effect.low) / 3.92
    total = power.examples_to_settle(effect.change, se * effect.n**0.5, margin)
    return None if total is None else max(total - effect.n, 1)
