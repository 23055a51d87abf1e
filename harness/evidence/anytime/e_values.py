"""Many e-values at once: which of the hypotheses are refuted, with one error rate for all."""

from __future__ import annotations

import numpy as np

from harness.evidence.stats.resampling import Floats


def e_holm(log_values: Floats) -> Floats:
    """Log of the adjusted e-values, (..., m): refuting where one is at least 1/α errs with probability α at most.

    An e-value is adjusted to the least average of any set of hypotheses that holds it (closed testing), which
    needs no assumption on how they depend on each other. e-values of processes may be averaged at any time, so
    what holds of one look holds of all looks together.
    Source: Vovk and Wang 2021, "E-values: Calibration, combination and applications", Ann. Statist. 49, section 5.
    """
    values = np.exp(np.minimum(np.asarray(log_values, dtype=np.float64), 600.0))
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    count = ordered.shape[-1]
    # The least average that holds one value is taken with the smallest of the others.
    below = np.cumsum(ordered, axis=-1)
    adjusted = np.empty_like(ordered)
    for place in range(count):
        own = ordered[..., place : place + 1]
        with_smaller = (own + below[..., :place]) / np.arange(2, place + 2)
        adjusted[..., place] = np.concatenate([own, with_smaller], axis=-1).min(axis=-1)
    back: Floats = np.empty_like(adjusted)
    np.put_along_axis(back, order, adjusted, axis=-1)
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(back)
    return logs
