"""One metric on the examples that both sides have: change, interval, outcome.

A change is new − pinned, turned so that above 0 is better. Relative metrics (latency, cost) are
the pinned ratio's linearisation, (Σ old − Σ new) / Σ old, with residuals old·R − new as in the
ratio estimator of Cochran 1977, "Sampling Techniques", chapter 6.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired, power, seeds
from harness.evidence.stats.equivalence import not_worse
from harness.evidence.stats.intervals import LEVEL, student
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.seeds import TrainingNoise

State = Literal["passed", "regression", "inconclusive", "error", "skipped"]


@dataclass(frozen=True, kw_only=True)
class MetricCheck:
    """One gated metric. `change`, `low`, `high` and `margin` share a unit; below 0 is worse.

    `examples_needed` is how many more examples would settle an inconclusive check if the truth is
    what was seen (None: no number would, more seeds are needed); 0 when settled.
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


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Values of one metric on n shared examples: (n,) and (n,), and who belongs together."""

    metric: str
    before: Floats
    after: Floats
    groups: Sequence[str | None]
    binary: bool = False
    relative: bool = False
    noise: TrainingNoise | None = None
    """How much the mean varies between runs of one recipe; None where it is not known."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A paired change with its standard errors."""

    mean: float
    sampling_se: float
    noise_se: float
    df: float
    differences: Floats
    binary: bool
    grouped: bool

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        if self.noise_se == 0.0 and not self.grouped and len(self.differences) > 1:
            low, high = paired.interval(
                self.differences[:, None], binary=self.binary, level=level, rng=np.random.default_rng(0)
            )
            return min(float(low[0]), self.mean), max(float(high[0]), self.mean)
        return student(self.mean, math.hypot(self.sampling_se, self.noise_se), self.df, level)


def change(pairs: Pairs) -> Change:
    """The change of one metric, with the noise floor where there is one."""
    differences, mean = _differences(pairs)
    groups = by_cluster.codes(pairs.groups)
    count = by_cluster.count(groups)
    sampling = float(np.nan_to_num(by_cluster.mean_variance(differences, groups)[0]))
    if not pairs.relative and (pairs.binary or paired.few(differences)):
        sampling = max(sampling, paired.with_imaginary_pair(differences)[1] ** 2)
    noise = 0.0 if pairs.noise is None else 2 * pairs.noise.variance
    parts = [(sampling, max(count - 1.0, 1.0))]
    if pairs.noise is not None and noise > 0:
        parts.append((noise, pairs.noise.df))
    weights = sum(variance**2 / df for variance, df in parts)
    return Change(
        mean=mean,
        sampling_se=math.sqrt(sampling),
        noise_se=math.sqrt(noise),
        df=sum(variance for variance, _ in parts) ** 2 / weights if weights else parts[0][1],
        differences=differences,
        binary=pairs.binary,
        grouped=count < len(differences) or pairs.relative,
    )


def check(pairs: Pairs, margin: float, *, comparisons: int = 1) -> MetricCheck:
    """Passed: not worse by the margin. Regression: worse, beyond doubt, and perhaps by the margin.

    To pass, the 95 % interval must lie above −margin. A claim of a regression must hold at 95 %
    over all `comparisons` of a gate together (Bonferroni), so that many metrics do not make red
    by chance. What is neither is inconclusive.
    """
    blank = MetricCheck(metric=pairs.metric, state="inconclusive", margin=margin, relative=pairs.relative)
    n = len(pairs.before)
    if n < 2:
        return dataclasses.replace(blank, n=n, state="error", reason="fewer than two examples in common")
    found = change(pairs)
    low, high = found.interval()
    strict_high = found.interval(1 - (1 - LEVEL) / max(comparisons, 1))[1]
    state: State = "inconclusive"
    if not_worse(low, margin):
        state = "passed"
    elif strict_high < 0:
        state = "regression"
    return dataclasses.replace(
        blank,
        state=state,
        before=float(pairs.before.mean()),
        after=float(pairs.after.mean()),
        change=found.mean,
        low=low,
        high=high,
        n=n,
        examples_needed=_needed(found, margin, n) if state == "inconclusive" else 0,
    )


def _differences(pairs: Pairs) -> tuple[Floats, float]:
    if not pairs.relative:
        differences = pairs.after - pairs.before
        return differences, float(differences.mean())
    total = float(pairs.before.mean())
    if total <= 0:
        return np.zeros_like(pairs.before), 0.0
    ratio = float(pairs.after.mean()) / total
    return (pairs.before * ratio - pairs.after) / total, 1.0 - ratio


def _needed(found: Change, margin: float, n: int) -> int | None:
    sd = found.sampling_se * math.sqrt(n)
    total = power.examples_to_settle(found.mean, sd, margin, training_se=found.noise_se)
    return None if total is None else max(total - n, 1)


def noise_of(record: dict[str, object] | None) -> TrainingNoise | None:
    """The floor that a noise record holds."""
    if not record or not isinstance(variance := record.get("variance"), float):
        return None
    df = record.get("df")
    return seeds.TrainingNoise(variance, float(df) if isinstance(df, int | float) else 1.0)
