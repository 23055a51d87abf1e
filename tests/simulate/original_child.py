"""Run with the original commit's package on the path: scores on standard input, counts of its verdicts on output."""

from __future__ import annotations

import io
import json
import sys

import harness.stats.resampling as resampling
import numpy as np
from harness.decide.values import Cost, RunScores
from harness.decide.verdict import decide

MARGIN = 0.02


def main() -> None:
    kind, what = sys.argv[1:]
    resampling._CELLS = 12_000_000  # keeps the same resamples for 1,000 examples, too: much faster
    scores = np.load(io.BytesIO(sys.stdin.buffer.read()))["scores"]
    counts = {"shown": 0, "winner": 0}
    last = f"r{scores.shape[1] - 1:02d}"
    for one in scores:
        runs = [
            RunScores(
                recipe=f"r{recipe:02d}",
                seed=seed,
                ids=tuple(f"e{i}" for i in range(one.shape[2])),
                groups=(None,) * one.shape[2],
                values=tuple(float(value) for value in one[recipe, seed]),
                binary=kind == "binary",
                cost=cost(recipe, trained=what == "trained"),
            )
            for recipe in range(one.shape[0])
            for seed in range(one.shape[1] if recipe or what == "plain" else 1)
        ]
        verdict = decide("task", "model", "score", MARGIN, runs)
        pair = verdict.comparison("r00", last)
        counts["shown"] += pair.outcome == ("better" if pair.recipe == last else "worse")
        counts["winner"] += verdict.winner == last
    json.dump(counts, sys.stdout)


def cost(recipe: int, *, trained: bool) -> Cost:
    """As in `world.cost`."""
    if recipe and trained:
        return Cost(train_seconds=60.0 * recipe, trainable_parameters=1_000, prompt_tokens=100)
    return Cost(prompt_tokens=100 + 100 * recipe)


if __name__ == "__main__":
    main()
