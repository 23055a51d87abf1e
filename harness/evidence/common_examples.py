"""Every score of a verdict is over the same examples: those that each recipe has an answer for.

A recipe that fails on the hard examples must not be ranked by the easy ones, and numbers side by side must
cover the same questions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from harness.evidence.aggregate import RecipeScores, gather
from harness.evidence.verdict_types import RunScores, ScorerValues


def common_ids(tables: Sequence[RecipeScores]) -> frozenset[str]:
    """Examples that every candidate has a score for; empty if there are none.

    A recipe with less than half of the examples takes none away from the others; neither does an oracle, nor a recipe
    whose answering stopped before that of others, once it was shown to be worse.
    """
    candidates = [table for table in tables if not table.oracle]
    most = max((len(table.ids) for table in candidates), default=0)
    deciding = [
        set(table.ids)
        for table in candidates
        if 2 * len(table.ids) >= most and (table.planned is None or len(table.ids) == most)
    ]
    return frozenset(set.intersection(*deciding)) if deciding else frozenset()


def on_common(tables: Sequence[RecipeScores], ids: Collection[str]) -> list[RecipeScores]:
    """The tables over `ids` alone; one that shares none of them stays as it is."""
    return [_restricted(table, ids) for table in tables]


def _restricted(table: RecipeScores, ids: Collection[str]) -> RecipeScores:
    kept = tuple(id_ for id_ in table.ids if id_ in ids)
    return replace(table, ids=kept, values=table.on(kept)) if kept else table


def runs_on_common(runs: Sequence[RunScores]) -> list[RunScores]:
    """The runs over the examples that every candidate has a score for; those without any of them stay."""
    ids = common_ids(gather(runs))
    return [_run_on(run, ids) for run in runs]


def _run_on(run: RunScores, ids: Collection[str]) -> RunScores:
    places = [index for index, id_ in enumerate(run.ids) if id_ in ids]
    if not places or len(places) == len(run.ids):
        return run
    return replace(
        run,
        ids=tuple(run.ids[index] for index in places),
        groups=tuple(run.groups[index] for index in places),
        values=tuple(run.values[index] for index in places),
        other_scorers=tuple(
            ScorerValues(
                name=scorer.name,
                binary=scorer.binary,
                values=tuple(scorer.values[index] for index in places),
            )
            for scorer in run.other_scorers
        ),
    )
