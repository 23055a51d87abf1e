"""One metric on the examples of both sides: change, interval, outcome.

A change is new − pinned, turned so that above 0 is better. Relative metrics (latency, cost) are
the linearization of the ratio to the pin, (Σ old − Σ new) / Σ old, with residuals old·R − new as in the
ratio estimator of Cochran 1977, "Sampling Techniques", chapter 6.

Examples of one group are one observation: below two groups there is no interval at all. If fewer than ten
groups differ, the lower end allows for the complete loss of one more group.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core.finite import finite_number
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired, power
from harness.evidence.stats.equivalence import not_worse
from harness.evidence.stats.intervals import LEVEL, student
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.seeds import ASSUMED, TrainingNoise, with_prior

ONE_GROUP = "all examples belong to one group: the result does not carry over to others"

State = Literal["passed", "regression", "inconclusive", "error", "skipped"]


@dataclass(frozen=True, kw_only=True)
class MetricCheck:
    """One gated metric. `change`, `low`, `high` and `margin` share a unit; below 0 is worse.

    `examples_needed` is how many more examples would settle an inconclusive check if the observed change is
    the true one (None: no number would, more seeds are needed); 0 when settled.
    """

    metric: str
    state: State
    margin: float
    before: float | None = None
    after: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    relative: bool = False
    examples_needed: int | None = 0
    reason: str = ""
    provisional: bool = False
    """Whether training noise matters here and was not measured: another seed may give another outcome."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Values of one metric on n shared examples, each of shape (n,), and their groups."""

    metric: str
    before: Floats
    after: Floats
    groups: Sequence[str | None]
    binary: bool = False
    relative: bool = False
    noise: TrainingNoise | None = None
    """How much the mean varies between runs of one recipe; None if it is not known."""
    bound: float = math.inf
    """The largest possible change in either direction: 1 for scores between 0 and 1."""
    identical: bool = False
    """Whether both sides gave the same answers, so that nothing changed."""
    trained: bool = False
    """Whether training affects the answers, so that they vary from seed to seed even if that was not measured."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A paired change with its standard errors; `groups` is the number of independent observations."""

    mean: float
    sampling_se: float
    lower_se: float
    """The same for the lower end: allows for the loss of a whole group if few groups differ."""
    noise_se: float
    df: float
    differences: Floats
    binary: bool
    grouped: bool
    groups: int
    bound: float = math.inf

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        low, high = self._interval(level)
        return max(low, -self.bound), min(high, self.bound)

    def _interval(self, level: float) -> tuple[float, float]:
        if self.groups < 2:
            return -math.inf, math.inf
        if self.noise_se == 0.0 and not self.grouped:
            low, high = paired.interval(self.differences[:, None], binary=self.binary, level=level)
            return min(float(low[0]), self.mean), max(float(high[0]), self.mean)
        below = math.hypot(self.lower_se, self.noise_se)
        above = math.hypot(self.sampling_se, self.noise_se)
        return student(self.mean, below, self.df, level)[0], student(self.mean, above, self.df, level)[1]


def change(pairs: Pairs) -> Change:
    """The change of one metric, including the noise floor if there is one."""
    differences, mean = _differences(pairs)
    groups = by_cluster.codes(pairs.groups)
    count = by_cluster.count(groups)
    sampling = float(np.nan_to_num(by_cluster.mean_variance(differences, groups)[0]))
    lower = sampling
    if not pairs.relative and (pairs.binary or paired.few(differences)):
        lower = max(sampling, _with_a_lost_group(differences, groups))
        sampling = max(sampling, paired.with_imaginary_pair(differences)[1] ** 2)
        lower = max(lower, sampling)
    noise = 0.0 if pairs.noise is None else 2 * pairs.noise.variance
    parts = [(sampling, by_cluster.degrees_of_freedom(groups))]
    if pairs.noise is not None and noise > 0:
        parts.append((noise, pairs.noise.df))
    weights = sum(variance**2 / df for variance, df in parts)
    return Change(
        mean=mean,
        sampling_se=math.sqrt(sampling),
        lower_se=math.sqrt(lower),
        noise_se=math.sqrt(noise),
        df=sum(variance for variance, _ in parts) ** 2 / weights if weights else parts[0][1],
        differences=differences,
        binary=pairs.binary,
        grouped=count < len(differences) or pairs.relative,
        groups=count,
        bound=pairs.bound,
    )


def _with_a_lost_group(differences: Floats, groups: by_cluster.Codes) -> float:
    """Variance of the mean after one imaginary group of the usual size won and one lost outright.

    The imaginary pair of Bonett and Price 2012, for observations that are whole groups. 0 if examples are not
    grouped, or if ten or more groups differ, which is enough to estimate their variance.
    """
    count = by_cluster.count(groups)
    sums = by_cluster.sums(np.abs(differences), groups)[:, 0]
    if count == len(differences) or count < 2 or int((sums > 1e-12).sum()) >= paired.FEW:
        return 0.0
    size = max(round(len(differences) / count), 1)
    padded = np.concatenate([differences, np.ones(size), -np.ones(size)])
    codes = np.concatenate([groups, np.full(size, count), np.full(size, count + 1)])
    return float(by_cluster.mean_variance(padded, codes)[0])


def check(pairs: Pairs, margin: float, *, comparisons: int = 1) -> MetricCheck:
    """Passed: not worse by the margin. Regression: significantly worse, and possibly by the margin.

    To pass, the 95 % interval must lie above −margin. A claim of a regression must hold at 95 %
    over all `comparisons` of a gate together (Bonferroni), so that many metrics do not fail by chance; if
    training noise was not measured, it must also hold under `ASSUMED`. Everything else is inconclusive. The
    same answers on both sides pass.
    """
    blank = MetricCheck(metric=pairs.metric, state="inconclusive", margin=margin, relative=pairs.relative)
    n = len(pairs.before)
    if n < 1 or (n < 2 and not pairs.identical):
        return dataclasses.replace(blank, n=n, state="error", reason="fewer than two examples in common")
    difference = change(pairs)
    low, high = difference.interval()
    level = 1 - (1 - LEVEL) / max(comparisons, 1)
    worse = difference.interval(level)[1] < 0
    unmeasured = pairs.trained and pairs.noise is None and not pairs.identical
    doubtful = worse and pairs.trained and _claimed(pairs).interval(level)[1] >= 0
    state: State = "inconclusive"
    if pairs.identical or not_worse(low, margin):
        state = "passed"
    elif worse and not doubtful:
        state = "regression"
    return dataclasses.replace(
        blank,
        state=state,
        before=float(pairs.before.mean()),
        after=float(pairs.after.mean()),
        change=difference.mean,
        low=finite_number(low),
        high=finite_number(high),
        n=n,
        examples_needed=_needed(difference, margin, n) if state == "inconclusive" and not doubtful else 0,
        reason=_reason(pairs, difference, doubtful),
        provisional=unmeasured,
    )


def _claimed(pairs: Pairs) -> Change:
    return change(dataclasses.replace(pairs, noise=claim_noise(pairs.noise)))


def claim_noise(measured: TrainingNoise | None) -> TrainingNoise | None:
    """The training noise that a claim about a trained run must survive."""
    return ASSUMED if measured is None else with_prior(measured)


def _reason(pairs: Pairs, change: Change, doubtful: bool) -> str:
    if pairs.identical:
        return "both gave the same answers"
    if change.groups < 2:
        return ONE_GROUP
    if doubtful and pairs.noise is not None:
        return "another seed could explain it: measure with more reruns (--aa)"
    if doubtful:
        points = 100 * math.sqrt(ASSUMED.variance)
        return f"another seed could explain it if training varies by {points:.0f} points: measure with --aa 3"
    if change.groups < by_cluster.FEW_GROUPS and len(pairs.before) > change.groups:
        return f"only {change.groups} groups: the interval is rough"
    return ""


def _differences(pairs: Pairs) -> tuple[Floats, float]:
    if not pairs.relative:
        differences = pairs.after - pairs.before
        return differences, float(differences.mean())
    total = float(pairs.before.mean())
    if total <= 0:
        return np.zeros_like(pairs.before), 0.0
    ratio = float(pairs.after.mean()) / total
    return (pairs.before * ratio - pairs.after) / total, 1.0 - ratio


def _needed(change: Change, margin: float, n: int) -> int | None:
    if change.groups < 2:
        return None
    sd = change.sampling_se * math.sqrt(n)
    total = power.examples_to_settle(change.mean, sd, margin, training_se=change.noise_se)
    return None if total is None else max(total - n, 1)
