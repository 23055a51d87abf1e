"""How much a trained recipe's mean varies from seed to seed, as far as it was measured.

It comes from `harness gate --aa`, or from other seeds of the same recipe in the results folder. Only runs
scored in the same way, on the same data, with the same weights and library versions, count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from harness.evidence.stats import seeds
from harness.evidence.stats.seeds import TrainingNoise
from harness.regression import noise_floor
from harness.results import likeness, pins
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.pins import Snapshot
from harness.results.records.noise import NoiseFloor
from harness.results.records.run import RunRecord


def with_floor(results: Path, run: Snapshot) -> Snapshot:
    """The run with its recipe's noise floor: the one from `--aa`, or from its other seeds.

    Of two, the one based on more runs.
    """
    if not trained(run):
        return run
    others = [pins.of_run(results, name) for name in _siblings(results, run)]
    learnt = noise_floor.summarise(run, others, []) if others else None
    known = [record for record in (learnt, run.noise) if record is not None]
    best = max(known, key=lambda record: record.runs or 0, default=None)
    return dataclasses.replace(run, noise=best)


def trained(run: Snapshot) -> bool:
    """Whether training affects this run's answers; a part moved from another run was not trained here."""
    return any(stage.get("kind") != "moved" for stage in run.head.recipe.weights)


def same_weights(run: Snapshot, pin: Snapshot) -> bool:
    """Whether both use the weights of one training, so that another seed changes both alike."""
    mark = likeness.training_mark(run.head)
    return mark is not None and mark == likeness.training_mark(pin.head)


def known(*sides: Snapshot) -> tuple[NoiseFloor, ...]:
    """The distinct noise floors of some runs; one measured with other scorers or data does not count."""
    floors: list[NoiseFloor] = []
    for side in sides:
        floor = side.noise
        if floor is None or floor in floors:
            continue
        if floor.scored in (None, likeness.scoring_mark(side.head.task)):
            floors.append(floor)
    return tuple(floors)


def pooled(*sides: Snapshot) -> TrainingNoise | None:
    """The pooled floor of several runs, weighted by degrees of freedom; None if none is known."""
    floors = known(*sides)
    return seeds.pool(
        [TrainingNoise(floor.variance, 1.0 if floor.df is None else floor.df) for floor in floors]
    )


def flaky(*sides: Snapshot) -> tuple[str, ...]:
    """Ids of examples that reruns scored differently."""
    return tuple(dict.fromkeys(item.id for floor in known(*sides) for item in floor.flaky))


def _siblings(results: Path, run: Snapshot) -> Iterator[str]:
    """Ids of the other finished runs of a recipe that differ only in the seed, one per seed."""
    mine, known_seeds = _identity(run.head), {run.head.seed}
    for folder in ResultsFolder(results).run_folders():
        record = RunFolder(folder).finished()
        if folder.name == run.name or record is None or record.seed in known_seeds:
            continue
        if _identity(record) == mine and not likeness.answered(run.head.versions, record.versions):
            known_seeds.add(record.seed)
            yield folder.name


def _identity(record: RunRecord) -> tuple[object, ...]:
    task = record.task
    return (
        *(task.name, likeness.scoring_mark(task), record.recipe.slots),
        *(record.model.fingerprint, record.split, record.limit, record.labels),
    )
