"""Claims that depend on one training seed, and intervals without training noise, in words."""

from __future__ import annotations

from harness.evidence.verdict_types import Comparison

ALONE_LEGEND = (
    "* in these runs alone: another training may move the value by more than the brackets allow for."
)
"""For a reader of a table that marks intervals without training noise."""


def provisionally(pair: Comparison) -> str:
    """The suffix of a claim that depends on one training seed."""
    return ", provisionally" if pair.provisional else ""


def of_these_runs(pair: Comparison) -> bool:
    """Whether a pair's interval covers these runs only, without training noise."""
    return pair.provisional and pair.outcome != "inconclusive"


def these_runs(pair: Comparison) -> str:
    """The suffix of a pair whose interval covers these runs only."""
    return " in these runs alone" if of_these_runs(pair) else ""


def starred(pair: Comparison) -> str:
    """The same suffix in a table, which `ALONE_LEGEND` explains."""
    return "*" if of_these_runs(pair) else ""
