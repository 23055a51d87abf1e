"""Fill the tables of docs/methods.md from the runs of `harness run methods.yaml`.

python docs/methods_table.py [--results RESULTS]      # the folder of the runs, default `results`

A method of that file without a finished run has a row that says so.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from harness.core import formatting
from harness.evidence.verdict_types import RecipeSummary, Verdict
from harness.report import run_selection
from harness.results import run_scores
from harness.results.database import ingest
from harness.runner import experiment

PAGE = Path(__file__).with_name("methods.md")
FILE = Path(__file__).parents[1] / "methods.yaml"
HEADS = ("recipe", "score", "95 % interval", "n", "train", "peak memory", "trained parameters")


def table(verdict: Verdict, recipes: Sequence[str]) -> str:
    """One task's methods, best first; those of `recipes` that were not run come last."""
    summaries = sorted(verdict.summaries, key=lambda summary: -summary.mean)
    lines = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    lines += [f"| {' | '.join(cells(summary))} |" for summary in summaries]
    run = {summary.recipe for summary in summaries}
    missing = [name for name in recipes if name not in run]
    return "\n".join(lines + [f"| {name} | not run |{' |' * (len(HEADS) - 2)}" for name in missing])


def cells(summary: RecipeSummary) -> list[str]:
    cost = summary.cost
    return [
        summary.recipe,
        formatting.score(summary.mean),
        f"{formatting.score(summary.low)} – {formatting.score(summary.high)}",
        str(summary.n),
        formatting.seconds(cost.train_seconds) if cost.train_seconds else "–",
        f"{cost.peak_memory_bytes / 2**30:.2f} GiB" if cost.peak_memory_bytes else "–",
        f"{cost.trainable_parameters:,}" if cost.trainable_parameters else "–",
    ]


def fill(page: str, task: str, text: str) -> str:
    """The page with `text` between the two marks of a task."""
    start, end = f"<!-- {task} -->", f"<!-- end of {task} -->"
    if start not in page or end not in page:
        raise SystemExit(f"{PAGE} has no marks for {task}")
    pattern = re.compile(f"{re.escape(start)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{start}\n{text}\n{end}", page)


def main(results: Path, page: Path = PAGE) -> None:
    """Fill `page`; a task without any run keeps what it says."""
    ingest.sync(results)
    asked, text = experiment.from_file(FILE), page.read_text(encoding="utf-8")
    recipes = [recipe.name for recipe in asked.recipes]
    for task in asked.tasks:
        folders = [folder for folder in (results / "runs").glob(f"{task}-*") if folder.is_dir()]
        ids = run_selection.choose(results, (), task).runs if folders else ()
        for verdict in run_scores.verdicts([results / "runs" / run_id for run_id in ids]):
            if verdict.model in asked.models:
                text = fill(text, task, f"\n{verdict.sentence}\n\n{table(verdict, recipes)}\n")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--results", type=Path, default=Path("results"))
    main(options.parse_args().results)
