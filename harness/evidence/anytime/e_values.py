"""Many e-values at once: which of the hypotheses are refuted, with one error rate for all of them."""

from __future__ import annotations

import numpy as np

from harness.evidence.stats.resampling import Floats


def e_holm(log_values: Floats) -> Floats:
    """Log of the adjusted e-values, (..., m): refuting a hypothesis when its value is at least 1/α errs with
    probability at most α.

    An e-value is adjusted to the smallest average over all sets of hypotheses that contain it (closed
    testing), which needs no assumption about how they depend on each other. e-values of processes may be
    averaged at any time, so what holds for one look holds for all looks together.
    Source: Vovk and Wang 2021, "E-values: Calibration, combination and applications", Ann. Statist. 49, section 5.
    """
    values = np.exp(np.minimum(np.asarray(log_values, dtype=np.float64), 600.0))
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    count = ordered.shape[-1]
    # The smallest average that includes one value combines it with the smallest of the others.
    below = np.cumsum(ordered, axis=-1)
    adjusted = np.empty_like(ordered)
    for rank in range(count):
        own = ordered[..., rank : rank + 1]
        with_smaller = (own + below[..., :rank]) / np.arange(2, rank + 2)
        adjusted[..., rank] = np.concatenate([own, with_smaller], axis=-1).min(axis=-1)
    back: Floats = np.empty_like(adjusted)
    np.put_along_axis(back, order, adjusted, axis=-1)
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(back)
    return logs
