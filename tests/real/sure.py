"""What `--stop-when-sure` would have left out of finished runs: their answers are given again, round by round.

    python -m tests.real.sure RESULTS TASK [--leave-out RECIPE,…]

Prints the verdict over all answers, the verdict where it stopped, and how many answers each of them took.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast
from unittest.mock import patch

from harness.core.recipes import Recipe, from_config
from harness.core.values import Example
from harness.evidence.anytime.order import beginning
from harness.evidence.verdict import Verdict
from harness.results import run_scores
from harness.results.asked import restricted
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.records.run import RunRecord
from harness.runner import until_sure
from harness.runner.cells import Cell
from harness.runner.progress import Progress
from harness.runner.runner import Outcome
from harness.runner.until_sure import Race


@dataclass(frozen=True, kw_only=True)
class Task:
    name: str


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A cell whose answers exist: of them the `first` in the seeded order are given (None: all)."""

    run: RunFolder
    record: RunRecord
    first: int | None = None

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def task(self) -> Task:
        return Task(name=self.record.task.name)

    @property
    def model(self) -> str:
        return self.record.model.spec

    @cached_property
    def recipe(self) -> Recipe:
        return from_config(self.record.recipe.raw, name=self.record.recipe.name)

    @cached_property
    def all_examples(self) -> tuple[Example, ...]:
        return tuple(
            Example(id=row.sample_id, input={}, target=None, group=row.group) for row in self.run.rows()
        )

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        if self.first is None or self.first >= len(self.all_examples):
            return self.all_examples
        ids, groups = zip(*((one.id, one.group) for one in self.all_examples), strict=True)
        chosen = beginning(ids, groups, self.first)
        return tuple(one for one in self.all_examples if one.id in chosen)

    def give(self, results: Path) -> RunRecord:
        """Write the run as it is after this round."""
        ids = {one.id for one in self.examples}
        rows = [row for row in self.run.rows() if row.sample_id in ids]
        whole = len(ids) == len(self.all_examples)
        record = restricted(self.record, rows, self.record.limit if whole else len(ids))
        record = record.changed(planned=None if whole else len(self.all_examples))
        folder = ResultsFolder(results).run(self.id)
        folder.path.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row.to_json(), ensure_ascii=False) + "\n" for row in rows)
        folder.samples.write_text(lines, encoding="utf-8")
        folder.finish(record)
        return record


def give(cells: Sequence[Recorded], results: Path, **_: object) -> Outcome:
    """In place of answering them."""
    records = tuple(cell.give(results) for cell in cells)
    folders = tuple(ResultsFolder(results).run(cell.id).path for cell in cells)
    return Outcome(records=records, folders=folders, fresh=len(cells), notes=())


def replayed(cells: Sequence[Recorded], results: Path) -> Race:
    with patch.object(until_sure, "run_cells", give), patch.object(until_sure, "complete", lambda *_: None):
        return until_sure.run(cast("Sequence[Cell]", cells), results, progress=Progress())


def runs(results: Path, task: str, left_out: Sequence[str]) -> list[Recorded]:
    """The finished runs of a task on test, those that train nothing first, then by the seconds of training."""
    cells = [
        Recorded(run=RunFolder(path), record=record)
        for path in ResultsFolder(results).run_folders()
        if (record := RunFolder(path).finished()) is not None
        and (record.task.name, record.split) == (task, "test")
        and record.recipe.name not in left_out
    ]
    return sorted(
        cells, key=lambda cell: (bool(cell.recipe.weights), run_scores.cost(cell.record).train_seconds)
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("task")
    parser.add_argument("--leave-out", default="")
    options = parser.parse_args()
    cells = runs(options.results, options.task, options.leave_out.split(","))
    (full,) = run_scores.verdicts([cell.run.path for cell in cells])
    with tempfile.TemporaryDirectory() as folder:
        race = replayed(cells, Path(folder))
        (early,) = run_scores.verdicts(list(race.outcome.folders))
    print(f"{options.task}: {len(cells)} runs of {len(cells[0].all_examples)} examples")
    print(f"all {race.total} answers:", in_words(full))
    print(f"stopped after {race.total - race.saved}:", in_words(early))
    print(f"saved {race.saved / race.total:.0%}; not begun:", [cell.recipe.name for cell in race.not_needed])


def in_words(verdict: Verdict) -> str:
    return f"[{verdict.families.state}, use {verdict.families.use}] {verdict.sentence}"


if __name__ == "__main__":
    main()
