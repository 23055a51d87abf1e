"""The runs of an upgrade: the same recipes on both bases, through the one runner."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from harness.core.activity import silenced, working
from harness.core.errors import ConfigError, RunError
from harness.core.kinds import build
from harness.core.recipes import Recipe
from harness.core.secrets import hidden
from harness.methods.transferred import Moved
from harness.regression import floor
from harness.regression.upgrade import Cells, Replay, exit_code, replay
from harness.results import likeness, pins
from harness.results.folder import ResultsFolder
from harness.results.pins import Snapshot
from harness.runner import again
from harness.runner.cells import Cell, plan
from harness.runner.experiment import Experiment
from harness.runner.progress import Progress
from harness.runner.progress_choice import choose
from harness.runner.runner import run
from harness.workflows import run as run_workflow
from harness.workflows.options.run import RunOptions
from harness.workflows.options.upgrade import UpgradeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One end of an upgrade: a model, and the kind of base it is loaded with (None: the recipe's own)."""

    model: str
    base: str | None = None

    def recipe(self, recipe: Recipe) -> Recipe:
        return recipe if self.base is None else dataclasses.replace(recipe, base=build("base", self.base))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Upgrade:
    """A judgment per recipe, and the exit code of all of them."""

    replays: tuple[Replay, ...]
    exit_code: int

    def to_json(self) -> dict[str, object]:
        return {"replays": [item.to_json() for item in self.replays], "exit_code": self.exit_code}


def from_options(options: UpgradeOptions) -> Upgrade:
    """All that `harness upgrade` does.

    Raises:
        ConfigError: an unknown task, recipe or model.
        RunError: a run failed for a reason other than a trained part that does not fit.
    """
    typed = RunOptions(
        options.task,
        model=options.from_,
        recipes=options.recipes,
        limit=options.limit,
        settings=options.settings,
    )
    with silenced(options.quiet), working(f"reading {options.task}"):
        experiment = run_workflow.experiment(typed)
    old = Side(model=options.from_, base=options.from_base)
    new = Side(model=options.to or options.from_, base=options.to_base)
    with silenced(options.quiet), choose(quiet=options.quiet) as progress:
        replays = upgrade(experiment, old, new, options.results_path, progress)
    return Upgrade(
        replays=replays, exit_code=exit_code(replays, allow_inconclusive=options.allow_inconclusive)
    )


def upgrade(
    experiment: Experiment, old: Side, new: Side, results: Path, progress: Progress
) -> tuple[Replay, ...]:
    """Replay every recipe of `experiment` (one task, one seed) on both sides.

    Raises:
        ConfigError: an unknown task or model, or a recipe that cannot be run on one of the sides; nothing has run then.
        RunError: a run failed for a reason other than a trained part that does not fit.
    """
    _check(experiment, old, new)
    replays = []
    for recipe in experiment.recipes:
        before, bare_before = _trained(experiment, recipe, old, results, progress)
        after, bare_after = _trained(experiment, recipe, new, results, progress)
        moved, why = (None, "")
        if recipe.weights:
            moved, why = _moved(experiment, recipe, before, new, results, progress)
        cells = Cells(
            old=before,
            new=after,
            untuned_old=bare_before,
            untuned_new=bare_after,
            moved=moved,
            not_moved=why,
        )
        noise = floor.pooled(floor.with_floor(results, before), floor.with_floor(results, after))
        margin = before.head.task.margin or 0.0
        judged = replay(recipe.name, cells, margin, noise=noise)
        replays.append(dataclasses.replace(judged, notes=(*judged.notes, *_stale(cells))))
    return tuple(replays)


def _check(experiment: Experiment, old: Side, new: Side) -> None:
    """Check both sides before anything is computed on one of them.

    Raises:
        ConfigError: see `upgrade`.
    """
    if old.model == new.model and all(old.recipe(one) == new.recipe(one) for one in experiment.recipes):
        raise ConfigError(
            "both sides are the same", remedy="name the new model with --to, or --to-base int8 or nf4"
        )
    for option, side in (("--from", old), ("--to", new)):
        for recipe in experiment.recipes:
            chosen = side.recipe(recipe)
            with working(f"checking whether {recipe.name} can be run on {hidden(side.model)}"):
                cells = [
                    cell
                    for one in _with_untuned(chosen, recipe.name)
                    for cell in _cells(experiment, one, side)
                ]
            for fault in filter(None, (cell.fault for cell in cells)):
                raise ConfigError(f"{recipe.name} cannot be run on the model of {option}: {fault}")


def _with_untuned(chosen: Recipe, name: str) -> list[Recipe]:
    """The recipe of one side, and the same without training if it trains."""
    untuned = dataclasses.replace(chosen, name=f"{name}_untuned", weights=())
    return [chosen, untuned] if chosen.weights else [chosen]


def _stale(cells: Cells) -> list[str]:
    """Which runs were made by other libraries than today's, wholly or in part."""
    sides = [side for side in vars(cells).values() if isinstance(side, Snapshot)]
    heads = [side.head.changed(id=side.name) for side in sides]
    notes = [[*again.stale(head), likeness.made_in_parts(head)] for head in heads]
    return [note for several in notes for note in several if note]


def _trained(
    experiment: Experiment, recipe: Recipe, side: Side, results: Path, progress: Progress
) -> tuple[Snapshot, Snapshot | None]:
    """The recipe on one side, and the same without training (None if it trains nothing)."""
    runs = [
        _run(_cells(experiment, one, side), results, progress)[0]
        for one in _with_untuned(side.recipe(recipe), recipe.name)
    ]
    return runs[0], runs[1] if len(runs) > 1 else None


def _moved(
    experiment: Experiment, recipe: Recipe, source: Snapshot, new: Side, results: Path, progress: Progress
) -> tuple[Snapshot | None, str]:
    folder = ResultsFolder(results).run(source.name).path.resolve()
    stage = Moved(run=str(folder), key=str(source.head.key))
    chosen = dataclasses.replace(new.recipe(recipe), name=f"{recipe.name}_moved", weights=(stage,))
    outcome = run(_cells(experiment, chosen, new), results, progress=progress)
    if outcome.unfinished:
        return None, str(outcome.unfinished[0].error).removeprefix("RunError: ")
    return pins.of_run(results, outcome.folders[0].name), ""


def _cells(experiment: Experiment, recipe: Recipe, side: Side) -> list[Cell]:
    return plan(dataclasses.replace(experiment, recipes=(recipe,), models=(side.model,), seeds=1))


def _run(cells: Sequence[Cell], results: Path, progress: Progress) -> list[Snapshot]:
    outcome = run(cells, results, progress=progress)
    if outcome.unfinished:
        record = outcome.unfinished[0]
        raise RunError(f"{record.id} {record.status}: {record.error}")
    return [pins.of_run(results, folder.name) for folder in outcome.folders]
