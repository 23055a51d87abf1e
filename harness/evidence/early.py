"""What a verdict says of recipes whose answering stopped once it was sure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.evidence.verdict_types import RecipeSummary


def sentences(summaries: Sequence[RecipeSummary]) -> list[str]:
    """How far each recipe was asked and how many answers that saved; nothing where all were asked everything."""
    early = [summary for summary in summaries if summary.planned is not None]
    if not early:
        return []
    asked = ", ".join(f"{one.recipe} after {one.n} of {one.planned} examples" for one in early)
    saved = sum(one.seeds * max(0, (one.planned or 0) - one.n - one.missing) for one in early)
    total = sum(one.seeds * (one.planned or one.n + one.missing) for one in summaries)
    return [
        f"Stopped when sure: {asked}. {saved:,} of {total:,} answers were not needed. Claims about these recipes hold "
        "however often one looks; their intervals are wider than those of a full run."
    ]
