"""Ask in rounds, and stop when it is sure: `harness run --stop-when-sure`.

    1. every recipe that trains nothing is asked the first examples of the seeded order, then half
       as many more
    2. a recipe that is shown to be worse than another one is not asked any more
    3. once these are settled, or have been asked everything, the next recipe is trained and catches up in the
       same rounds
    4. when no answer and no training left could change which family to use, nothing more is asked

Every look may be the last one, so its claims come from confidence sequences (`evidence.anytime`). The answers
are kept: without the option the same command asks the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from pathlib import Path

from harness.core.execution import Executor
from harness.evidence import early
from harness.evidence.verdict_types import Verdict
from harness.results import run_labels, run_scores
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.records.run import RunRecord
from harness.runner.asked import complete
from harness.runner.cells import Cell
from harness.runner.latency import Latency
from harness.runner.one_worker import keeping
from harness.runner.progress import Progress
from harness.runner.race_progress import RaceProgress
from harness.runner.runner import Outcome
from harness.runner.runner import run as run_cells

FIRST = 16
"""Examples of the first round: fewer show only the largest differences."""
GROWTH = 1.5
"""Each round asks this many times as many examples as the one before."""


@dataclass(frozen=True, kw_only=True)
class Race:
    """What was asked until the verdict was sure."""

    outcome: Outcome
    cells: tuple[Cell, ...]
    """The cells that ran, each with the examples that it was asked."""
    not_needed: tuple[Cell, ...]
    """Cells that were not started because they could not change the verdict."""
    saved: int
    """Answers that were not needed; those that a failed recipe lacks are none of them."""
    total: int
    """Answers that a full run would have, without those of failed recipes."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was left out, in words."""
        if not self.saved:
            return ()
        lines = [f"stopped when sure: {self.saved:,} of {self.total:,} answers were not needed"]
        names = list(dict.fromkeys(cell.recipe.name for cell in self.not_needed))
        if names:
            lines.append(f"not started, because it could not change the verdict: {', '.join(names)}")
        return (
            *lines,
            "for the rest, run the same command without --stop-when-sure; finished answers are kept",
        )

    @property
    def nothing_saved(self) -> tuple[str, ...]:
        """A sentence if every answer was asked for; empty if some were not, or all recipes failed."""
        if self.saved or not self.total:
            return ()
        return (f"--stop-when-sure saved nothing: all {self.total:,} answers were needed",)


@dataclass
class _Entrant:
    """A recipe's cells (its seeds and sizes), and how many examples they have been asked so far."""

    cells: tuple[Cell, ...]
    asked: int = 0
    begun: bool = False
    out: bool = False
    """Shown to be worse than another recipe, or failed."""
    failed: bool = False

    @property
    def recipe(self) -> str:
        return self.cells[0].recipe.name

    @property
    def trains(self) -> bool:
        return bool(self.cells[0].recipe.weights)

    @property
    def whole(self) -> int:
        return len(self.cells[0].all_examples)

    @property
    def active(self) -> bool:
        return self.begun and not self.out

    def now(self) -> tuple[Cell, ...]:
        return tuple(replace(cell, first=self.asked) for cell in self.cells)


@dataclass
class _Rounds:
    """Runs cells with the settings that all rounds share, and keeps the latest record of each."""

    results: Path
    progress: RaceProgress
    cache: bool
    on_finished: Callable[[Path], None]
    executor: Executor | None
    records: dict[str, RunRecord] = field(default_factory=dict)
    notes: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    """By the ids of the cells that ran together. Those of a later round replace those of an earlier one, which count
    fewer answers."""
    fresh: set[str] = field(default_factory=set)

    def run(self, cells: Sequence[Cell]) -> None:
        outcome = run_cells(
            cells,
            self.results,
            progress=self.progress,
            cache=self.cache,
            on_finished=self._finished,
            executor=self.executor,
        )
        self.records |= {record.id: _timed(record, self.records.get(record.id)) for record in outcome.records}
        self.notes[tuple(cell.id for cell in cells)] = outcome.notes
        self.fresh |= self.progress.fresh

    def _finished(self, path: Path) -> None:
        """The first round's measurements go into the record of the last."""
        folder = RunFolder(path)
        record = folder.record()
        if record is not None and (timed := _timed(record, self.records.get(record.id))) is not record:
            folder.finish(timed)
        self.on_finished(path)


def _timed(record: RunRecord, earlier: RunRecord | None) -> RunRecord:
    """The record with the latency of an earlier round, if it has none of its own."""
    if earlier is None or earlier.answer is None or record.answer is None or record.answer.latency_n:
        return record
    measured = {name: earlier.answer.raw.get(name) for name in Latency().to_json()}
    return record.changed(answer={**record.answer.raw, **measured}) if measured["latency_n"] else record


def run(
    cells: Sequence[Cell],
    results: Path,
    *,
    progress: Progress,
    cache: bool = True,
    on_finished: Callable[[Path], None] = lambda _: None,
    executor: Executor | None = None,
) -> Race:
    """Ask every cell until the verdict of its task and model is sure; arguments as `runner.run`."""
    kept = keeping(executor)
    rounds = _Rounds(results, RaceProgress(progress), cache, on_finished, kept)
    progress.plan(cells)
    entrants: list[_Entrant] = []
    for members in _questions(cells):
        entered = _entered(members)
        _race(entered, rounds)
        entrants += entered
    ran = tuple(cell for entrant in entrants if entrant.begun for cell in entrant.now())
    rounds.progress.close(rounds.records)
    begun = {cell.id for cell in ran}
    not_needed = tuple(cell for cell in cells if cell.id not in begun)
    for cell in not_needed:
        progress.left_out(cell, "it could not change the verdict")
    return Race(
        outcome=Outcome(
            records=tuple(rounds.records[cell.id] for cell in ran),
            folders=tuple(ResultsFolder(results).run(cell.id).path for cell in ran),
            fresh=len(rounds.fresh),
            notes=tuple(dict.fromkeys(chain.from_iterable(rounds.notes.values()))),
        ),
        cells=ran,
        not_needed=not_needed,
        saved=sum(len(e.cells) * (e.whole - min(e.asked, e.whole)) for e in entrants if not e.failed),
        total=sum(len(e.cells) * e.whole for e in entrants if not e.failed),
    )


def _questions(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """The cells of each task and model: one verdict."""
    ordered = sorted(cells, key=lambda cell: (cell.task.name, cell.model))  # stable: the cheapest stays first
    return (list(members) for _, members in groupby(ordered, key=lambda cell: (cell.task.name, cell.model)))


def _entered(cells: Sequence[Cell]) -> list[_Entrant]:
    recipes: dict[str, list[Cell]] = {}
    for cell in cells:
        recipes.setdefault(cell.recipe.name, []).append(cell)
    return [_Entrant(tuple(members)) for members in recipes.values()]


def _race(entrants: Sequence[_Entrant], rounds: _Rounds) -> None:
    """Ask until the verdict is sure; see the module docstring."""
    for entrant in entrants:
        entrant.begun = not entrant.trains
    if not any(entrant.begun for entrant in entrants):
        entrants[0].begun = True
    while behind := _behind(entrants):
        for entrant in behind:
            _further(entrant, rounds)
        _failed_out(behind, rounds)
        verdict = _verdict(entrants, rounds)
        if verdict is None:
            _next(entrants)
            continue
        _worse_out(entrants, verdict, rounds)
        waiting = [entrant for entrant in entrants if not entrant.begun]
        if _is_settled(verdict, entrants):
            if _cannot_change(verdict, waiting):
                return
            _next(entrants)
        elif all(entrant.asked >= entrant.whole for entrant in entrants if entrant.active):
            _next(entrants)


def _behind(entrants: Sequence[_Entrant]) -> list[_Entrant]:
    """Which recipes are asked next: of those still active and not yet asked everything, the ones that were
    asked least."""
    left = [entrant for entrant in entrants if entrant.active and entrant.asked < entrant.whole]
    least = min((entrant.asked for entrant in left), default=0)
    return [entrant for entrant in left if entrant.asked == least]


def _further(entrant: _Entrant, rounds: _Rounds) -> None:
    """One round; answers that exist from an earlier run cost nothing."""
    size = FIRST if not entrant.asked else round(entrant.asked * GROWTH)
    folders = [ResultsFolder(rounds.results).run(cell.id) for cell in entrant.cells]
    if all(complete(cell, folder) is not None for cell, folder in zip(entrant.cells, folders, strict=True)):
        size = entrant.whole
    # A remainder smaller than a round's growth is not worth a round of its own.
    entrant.asked = entrant.whole if size * GROWTH > entrant.whole * 1.2 else size
    rounds.run(entrant.now())


def _next(entrants: Sequence[_Entrant]) -> None:
    """Start the cheapest waiting recipe."""
    waiting = next((entrant for entrant in entrants if not entrant.begun), None)
    if waiting is not None:
        waiting.begun = True


def _failed_out(entrants: Sequence[_Entrant], rounds: _Rounds) -> None:
    for entrant in entrants:
        entrant.failed |= any(rounds.records[cell.id].status == "failed" for cell in entrant.cells)
        entrant.out |= entrant.failed


def _verdict(entrants: Sequence[_Entrant], rounds: _Rounds) -> Verdict | None:
    """The verdict over all answers so far; None if there is none, or more than one."""
    cells = [cell for entrant in entrants if entrant.begun for cell in entrant.now()]
    asked = {cell.id: frozenset(example.id for example in cell.examples) for cell in cells}
    folders = [ResultsFolder(rounds.results).run(cell.id).path for cell in cells]
    known = run_scores.verdicts(folders, asked=asked)
    return known[0] if len(known) == 1 else None


def _worse_out(entrants: Sequence[_Entrant], verdict: Verdict, rounds: _Rounds) -> None:
    names = run_labels.labels(list(rounds.records.values()))
    worse = early.worse(verdict)
    for entrant in entrants:
        entrant.out |= any(names.get(cell.id) in worse for cell in entrant.cells)


def _is_settled(verdict: Verdict, entrants: Sequence[_Entrant]) -> bool:
    """Whether more answers from these recipes would not change the family to use."""
    return early.is_settled(verdict, alone=len({one.recipe for one in entrants if one.active}) < 2)


def _cannot_change(verdict: Verdict, waiting: Sequence[_Entrant]) -> bool:
    """Whether all waiting recipes belong to the family that is ahead: one of them may win, but not for
    another family."""
    from harness.evidence.families import of_recipe

    if verdict.families.state != "ahead":
        return not waiting
    return all(of_recipe(e.cells[0].recipe.config()) == verdict.families.use for e in waiting)
