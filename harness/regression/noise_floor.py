"""The noise floor: the same recipe repeated with other seeds and with the same one.

Other seeds show how much the mean moves without a deliberate change. The same seed again, without the cache,
must give the same answers: if it does not, something is nondeterministic.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.core import recipes
from harness.core.errors import ConfigError, RunError
from harness.core.json_types import JsonObject
from harness.evidence.stats import clusters, seeds
from harness.evidence.stats.resampling import Floats
from harness.results import likeness, pins
from harness.results.noise import write_noise
from harness.results.pins import Snapshot
from harness.results.records.noise import NoiseFloor
from harness.runner import environment
from harness.runner.cells import Cell, describe_task
from harness.runner.progress import Progress


def measure(results: Path, run: str, reruns: int, progress: Progress, task: str | None = None) -> NoiseFloor:
    """Rerun a run's recipe `reruns` times under other seeds (where a seed can change it) and under the
    same seed, keep the floor in `results/noise/`, and return it. `task` is a folder or a name, by
    default the name that the run recorded.

    Raises:
        ConfigError: no such run, or its task or model no longer exists here.
        RunError: a rerun failed.
    """
    if reruns < 1:
        raise ConfigError(f"--aa {reruns} must be at least 1")
    first = pins.of_run(results, run)
    cell = _cell(first, task)
    _require_alike(first, cell)
    others: list[Snapshot] = []
    if cell.recipe.seeded:
        cells = [dataclasses.replace(cell, seed=cell.seed + rerun) for rerun in range(1, reruns + 1)]
        others = _run(cells, results, progress, cache=True, of=first.name)
    again = [
        snapshot
        for rerun in range(1, reruns + 1)
        for snapshot in _run([cell], results / "aa" / str(rerun), progress, cache=False, of=first.name)
    ]
    measured = summarise(first, others, again)
    write_noise(results, first.head, measured)
    return measured


def _require_alike(first: Snapshot, cell: Cell) -> None:
    """Reruns are repeats only if nothing but the seed may differ.

    Raises:
        ConfigError: a rerun would be scored differently, or made with other library versions.
    """
    now = describe_task(cell.task)
    unlike = [item for item in likeness.scored(first.head.task, now) if item.known]
    unlike += [i for i in likeness.answered(first.head.versions, environment.versions()) if i.known]
    if unlike:
        raise ConfigError(
            f"reruns would not repeat '{first.name}': {'; '.join(item.sentence for item in unlike)}",
            remedy="run its command again first, with --fresh",
        )


def summarise(first: Snapshot, others: Sequence[Snapshot], again: Sequence[Snapshot]) -> NoiseFloor:
    """The noise floor measured from some runs of one recipe.

    `deterministic` is None if nothing was repeated; `scored` says how and on which data, as a hash.
    `variance` is that of a run's mean score, in squared score units: the larger of that between seeds and that
    between repeats of one seed. `flaky` names examples whose score is not always the same.
    """
    parts = [seeds.training_noise(*_table([first, *group])) for group in (others, again) if group]
    known = [part for part in parts if part is not None]
    largest = max(known, key=lambda part: part.variance, default=seeds.TrainingNoise(0.0, 1.0))
    content = {
        "run": first.name,
        "variance": largest.variance,
        "df": largest.df,
        "sd": float(np.sqrt(largest.variance)),
        "runs": 1 + len(others) + len(again),
        "seeds": [snapshot.head.seed for snapshot in (first, *others)],
        "repeats": len(again),
        "means": [snapshot.mean for snapshot in (first, *others, *again)],
        "deterministic": all(_outputs(side) == _outputs(first) for side in again) if again else None,
        "flaky": [*_flaky(first, again, "same seed"), *_flaky(first, others, "other seeds")],
        "scored": likeness.scoring_mark(first.head.task),
        "versions": first.head.versions,
    }
    return NoiseFloor.of(content)


def _table(runs: Sequence[Snapshot]) -> tuple[Floats, clusters.Codes]:
    columns = [{s.id: s.values.get(run.primary) for s in run.samples} for run in runs]
    ids = [id for id in columns[0] if all(column.get(id) is not None for column in columns)]
    groups = {sample.id: sample.group for sample in runs[0].samples}
    values = np.array([[column[id] for id in ids] for column in columns], dtype=float)
    return values, clusters.codes([groups[id] for id in ids])


def _outputs(run: Snapshot) -> dict[str, str]:
    return {sample.id: sample.output for sample in run.samples}


def _flaky(first: Snapshot, runs: Sequence[Snapshot], where: str) -> list[JsonObject]:
    flaky: list[JsonObject] = []
    for sample in first.samples:
        values = [sample.values.get(first.primary)]
        values += [s.values.get(first.primary) for run in runs for s in run.samples if s.id == sample.id]
        known = [value for value in values if value is not None]
        if len(set(known)) > 1:
            flaky.append({"id": sample.id, "where": where, "values": known})
    return flaky


def _run(cells: Sequence[Cell], results: Path, progress: Progress, *, cache: bool, of: str) -> list[Snapshot]:
    from harness.runner.runner import run

    outcome = run(cells, results, progress=progress, cache=cache, rerun_of=of)
    if outcome.unfinished:
        rerun = outcome.unfinished[0]
        raise RunError(f"a rerun {rerun.status}: {rerun.id}: {rerun.error}")
    return [pins.of_run(results, folder.name) for folder in outcome.folders]


def _cell(run: Snapshot, task_name: str | None) -> Cell:
    """The cell of a run, with the task and model as they are now."""
    from harness.runner.model_pool import fingerprint
    from harness.tasks.load import load

    head = run.head
    config = head.recipe.slots
    task = load(task_name or head.task.name)
    return Cell(
        task=task,
        model=head.model.spec,
        fingerprint=fingerprint(head.model.spec),
        recipe=recipes.from_config(config, name=head.recipe.name),
        seed=head.seed,
        limit=head.limit,
        labels=head.labels,
        split=head.split,
    )


def sentence(floor: NoiseFloor) -> str:
    """The floor in words."""
    repeats = {True: "same answers under the same seed", False: "NOT the same under one seed"}
    fixed = "no seed was repeated" if floor.deterministic is None else repeats[floor.deterministic]
    ids = ", ".join(item.id for item in floor.flaky[:8]) or "none"
    return (
        f"noise floor {100 * (floor.sd or 0.0):.2f} points over {floor.runs} runs; {fixed}; "
        f"{len(floor.flaky)} flaky examples: {ids}"
    )
