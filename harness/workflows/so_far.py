"""The verdict over prompts while retrieval and training are running, and over both while training is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.results import run_scores
from harness.results.folder import ResultsFolder
from harness.runner.cells import Cell, kind_by_cost
from harness.runner.progress import Progress


class SoFar:
    """Prints the verdict each time all cells of a kind have ended, the cheapest kind first, while others
    continue."""

    def __init__(self, cells: Sequence[Cell], results: Path, progress: Progress) -> None:
        self._cells, self._results, self._progress = tuple(cells), results, progress
        self._ended: set[str] = set()
        self._last = ""

    def finished(self, run: str) -> None:
        """A cell has ended."""
        self._ended.add(run)
        left = [cell for cell in self._cells if cell.id not in self._ended]
        cheapest = min((kind_by_cost(cell) for cell in left), default=None)
        ended = [cell for cell in self._cells if cell.id in self._ended]
        if cheapest is None or len(ended) < 2 or not all(kind_by_cost(cell) < cheapest for cell in ended):
            return
        asked = {c.id: frozenset(e.id for e in c.examples) for c in ended if c.asks is not None}
        folders = [ResultsFolder(self._results).run(cell.id).path for cell in ended]
        for verdict in run_scores.verdicts(folders, asked=asked):
            if verdict.sentence != self._last and len(verdict.summaries) > 1:
                self._last = verdict.sentence
                self._progress.so_far(
                    f"verdict so far ({', '.join(s.recipe for s in verdict.summaries)}): {verdict.sentence}"
                )
