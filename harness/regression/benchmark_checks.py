"""Public benchmarks in a gate: against the pin, and what training forgot against the untuned base."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

import numpy as np

from harness.evidence.stats.intervals import LEVEL
from harness.regression.metric_check import MetricCheck, Pairs, State, check
from harness.results.pins import Snapshot

if TYPE_CHECKING:
    from harness.benchmarks.forgetting import Forgetting


def against_pin(task: str, margin: float, run: Snapshot, pin: Snapshot, total: int) -> MetricCheck:
    """The first benchmark metric that both sides measured in the same way, paired by document."""
    name = f"benchmarks.{task}"
    same = ("task", "metric", "num_fewshot", "example_limit")
    new = {tuple(getattr(row, name) for name in same): row for row in run.benchmarks if row.task == task}
    old = {tuple(getattr(row, name) for name in same): row for row in pin.benchmarks if row.task == task}
    key = next((key for key in old if key in new), None)
    if key is None:
        missing = run.name if not new else pin.name if not old else "the same metric and settings"
        remedy = f"not measured by {missing}: harness benchmark RUN --tasks {shlex.quote(task)}"
        return MetricCheck(metric=name, state="error", margin=margin, reason=remedy)
    before, after = old[key].values or {}, new[key].values or {}
    ids = [document for document in before if document in after]
    if not ids and before and after:
        reason = "no documents in common: prompts or targets differ, or the pin comes from an older version; pin again"
        return MetricCheck(metric=name, state="error", margin=margin, reason=reason)
    sign = -1.0 if old[key].higher_is_better is False else 1.0
    a = sign * np.array([before[id] for id in ids], dtype=float)
    b = sign * np.array([after[id] for id in ids], dtype=float)
    binary = bool(np.isin(sign * np.concatenate([a, b]), (0.0, 1.0)).all())
    both = sign * np.concatenate([a, b])
    inside = len(ids) > 0 and float(both.min()) >= 0 and float(both.max()) <= 1
    bound = 1.0 if inside else math.inf
    pairs = Pairs(metric=name, before=a, after=b, groups=[None] * len(ids), binary=binary, bound=bound)
    return check(pairs, margin, comparisons=total)


def forgetting(task: str, margin: float, loss: Forgetting | None, total: int) -> MetricCheck:
    """What training cost on a benchmark; the p-value of a loss is corrected for all metrics of the gate."""
    name = f"forgetting.{task}"
    if loss is None:
        remedy = f"not measured on run and base: harness benchmark RUN --tasks {shlex.quote(task)}"
        return MetricCheck(metric=name, state="error", margin=margin, reason=remedy)
    state: State = "inconclusive"
    if loss.low > -margin:
        state = "passed"
    elif loss.high < 0 and loss.p <= (1 - LEVEL) / total:
        state = "regression"
    return MetricCheck(
        metric=name,
        state=state,
        margin=margin,
        before=loss.before,
        after=loss.after,
        change=loss.change,
        low=loss.low,
        high=loss.high,
        n=loss.n,
        examples_needed=None if state == "inconclusive" else 0,
        reason="measure more documents" if state == "inconclusive" else "",
    )
