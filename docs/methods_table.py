"""Fill the tables of docs/methods.md from the runs of `harness run methods.yaml`.

python docs/methods_table.py [RESULTS]      # RESULTS: the folder of the runs, default `results`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from harness.decide.values import RecipeSummary, Verdict
from harness.report import numbers, select
from harness.run import evidence
from harness.store import ingest

PAGE = Path(__file__).with_name("methods.md")
TASKS = ("support_tickets", "handbook_qa")
HEADS = ("recipe", "score", "95 % interval", "n", "train", "peak memory", "trained parameters")


def table(verdict: Verdict) -> str:
    """One task's methods, best first."""
    summaries = sorted(verdict.summaries, key=lambda summary: -summary.mean)
    lines = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    return "\n".join(lines + [f"| {' | '.join(cells(summary))} |" for summary in summaries])


def cells(summary: RecipeSummary) -> list[str]:
    cost = summary.cost
    return [
        summary.recipe,
        numbers.score(summary.mean),
        f"{numbers.score(summary.low)} – {numbers.score(summary.high)}",
        str(summary.n),
        numbers.seconds(cost.train_seconds) if cost.train_seconds else "–",
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


def main(results: Path) -> None:
    ingest.sync(results)
    page = PAGE.read_text(encoding="utf-8")
    for task in TASKS:
        ids, _ = select.choose(results, (), task)
        for verdict in evidence.verdicts([results / "runs" / run_id for run_id in ids]):
            page = fill(page, task, f"\n{verdict.sentence}\n\n{table(verdict)}\n")
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
