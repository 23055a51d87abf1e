"""What `harness report` prints about its output: the verdict, the runs, those left out, and how to open the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.evidence.verdict_text import count
from harness.evidence.verdict_types import Verdict
from harness.report.run_selection import Chosen


def lines(files: Sequence[Path], chosen: Chosen, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """One line per fact; the files come last. Runs that are left out are reported earlier (`Chosen.notes`)."""
    for verdict in verdicts:
        yield f"{verdict.task} · {verdict.model}: {verdict.sentence}"
    left = len(chosen.other_examples) + len(chosen.unfinished)
    yield f"{count(len(chosen.runs), 'run')} included{_named(chosen.recipes)}; {left} left out"
    for file in files:
        yield f"wrote {file}"
    if page := next((file for file in files if file.suffix == ".html"), None):
        yield f"open it in a browser: {page.resolve().as_uri()}"


def _named(recipes: Sequence[str]) -> str:
    """Each recipe, with its number of runs where it has several, so that the numbers add up."""
    runs = Counter(recipes)
    names = [name if number == 1 else f"{name} ({number} runs)" for name, number in runs.items()]
    return f": {', '.join(names)}" if names else ""
