"""Which of an experiment's cells run: all, or as far as the verdict needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.execution import Executor
from harness.runner import frugal, until_sure
from harness.runner.cells import Cell, Layout
from harness.runner.database_sync import index
from harness.runner.forecast import Forecast, forecast
from harness.runner.progress import Progress
from harness.runner.runner import Outcome
from harness.runner.runner import run as run_cells
from harness.runner.settings import ExperimentSettings
from harness.runner.suitable import LeftOut
from harness.workflows.so_far import SoFar


@dataclass(frozen=True, kw_only=True)
class Ran:
    """The cells that ran, their outcome, and what was left out on the way."""

    outcome: Outcome
    cells: tuple[Cell, ...]
    early: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def run(
    settings: ExperimentSettings,
    planned: Layout,
    results: Path,
    progress: Progress,
    *,
    cache: bool,
    executor: Executor | None,
    fresh: bool,
) -> Ran:
    """Run the cells: all of them, or as far as `--stop-when-sure` and `--frugal` need them."""
    so_far = SoFar(planned.cells, results, progress)

    def on_finished(folder: Path) -> None:
        index(results, folder)
        so_far.finished(folder.name)

    cells = planned.cells
    check(settings, fresh=fresh)
    if settings.stop_when_sure:
        race = until_sure.run(
            cells,
            results,
            progress=progress,
            cache=cache,
            on_finished=lambda folder: index(results, folder),
            executor=executor,
        )
        outcome = replace(race.outcome, notes=(*race.outcome.notes, *race.nothing_saved))
        return Ran(outcome=outcome, cells=race.cells, early=race.sentences)
    if settings.frugal:
        some = frugal.run(
            cells,
            results,
            progress=progress,
            cache=cache and not fresh,
            on_finished=on_finished,
            executor=executor,
            fresh=fresh,
        )
        return Ran(outcome=some.outcome, cells=some.cells, left_out=some.left_out)
    outcome = run_cells(
        cells,
        results,
        progress=progress,
        cache=cache and not fresh,
        on_finished=on_finished,
        executor=executor,
        fresh=fresh,
    )
    return Ran(outcome=outcome, cells=cells)


def expected(settings: ExperimentSettings, cells: Sequence[Cell], results: Path, *, fresh: bool) -> Forecast:
    """How long it will take: with `--frugal` without what a diagnosis rules out already."""
    if settings.frugal:
        cells, less = frugal.foreseen(cells, results), "--frugal leaves out more trainings on the way"
    else:
        less = "the verdict is sure before all is asked" if settings.stop_when_sure else ""
    return forecast(cells, results, fresh=fresh, less_if=less)


def check(settings: ExperimentSettings, *, fresh: bool) -> None:
    """Check that stopping early suits the experiment: it answers only which recipe to use.

    Raises:
        ConfigError: `--stop-when-sure` with a label curve, which needs all answers; with `--fresh`, which would
            answer each round again; or with `--frugal`, which has an order of its own.
    """
    if not settings.stop_when_sure:
        return
    if settings.frugal:
        raise ConfigError(
            "--stop-when-sure trains no more than it needs already, so --frugal adds nothing",
            remedy="leave out one",
        )
    if settings.labels:
        raise ConfigError(
            "a label curve needs every answer, and --stop-when-sure leaves some out", remedy="leave out one"
        )
    if fresh:
        raise ConfigError("--fresh and --stop-when-sure do not go together", remedy="leave out one")
