"""How much a trained recipe's mean varies from seed to seed, as far as anybody measured it.

Known from `harness gate --aa`, or from other seeds of the same recipe in the results folder. Only runs
that were scored in the same way, on the same data, with the same weights and library versions count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.results import likeness
from harness.core.recipes import SLOTS
from harness.evidence.stats import seeds
from harness.evidence.stats.seeds import TrainingNoise
from harness.regression import metric_check, noise_floor
from harness.results import pins
from harness.results.folder import RunFolder
from harness.results.pins import Snapshot

Record = Mapping[str, Any]


def with_floor(results: Path, run: Snapshot) -> Snapshot:
    """The run with the noise floor that is known of its recipe: `--aa`'s, or that of its other seeds.

    Of two, the one that rests on more runs.
    """
    if not trained(run):
        return run
    others = [pins.of_run(results, name) for name in _siblings(results, run)]
    learnt = noise_floor.summarise(run, others, []) if others else None
    known = [record for record in (learnt, run.noise) if record is not None]
    best = max(known, key=lambda record: int(record.get("runs") or 0), default=None)
    return dataclasses.replace(run, noise=best)


def trained(run: Snapshot) -> bool:
    """Whether training made this run's answers; a part moved from another run was not trained here."""
    stages = (run.head.get("recipe") or {}).get("weights") or ()
    return any(stage.get("kind") != "moved" for stage in stages)


def known(*sides: Snapshot) -> tuple[Record, ...]:
    """The different noise records of some runs; one that was measured with other scorers or data counts for none."""
    found: list[Record] = []
    for side in sides:
        record = side.noise
        if record is None or metric_check.noise_of(dict(record)) is None or record in found:
            continue
        if record.get("scored") in (None, likeness.scoring_mark(side.head["task"])):
            found.append(record)
    return tuple(found)


def pooled(*sides: Snapshot) -> TrainingNoise | None:
    """The floor of several runs together, weighted by their degrees of freedom; None where none is known."""
    return seeds.pool([metric_check.noise_of(dict(record)) for record in known(*sides)])


def flaky(*sides: Snapshot) -> tuple[str, ...]:
    """Ids of examples that reruns scored differently."""
    return tuple(dict.fromkeys(item["id"] for record in known(*sides) for item in record.get("flaky") or ()))


def _siblings(results: Path, run: Snapshot) -> Iterator[str]:
    """Ids of the other finished runs of a recipe that differ in nothing but the seed, one a seed."""
    mine, seen = _identity(run.head), {run.head.get("seed")}
    for file in sorted((results / "runs").glob("*/run.json")):
        record = RunFolder(file.parent).finished()
        if file.parent.name == run.name or record is None or record.get("seed") in seen:
            continue
        if _identity(record) == mine and not likeness.answered(
            run.head.get("versions"), record.get("versions")
        ):
            seen.add(record.get("seed"))
            yield file.parent.name


def _alike(first: Record, second: Record) -> bool:
    """Whether nothing says that two runs were scored, or their answers made, in different ways."""
    unlike = likeness.scored(first.get("task") or {}, second.get("task") or {})
    unlike += likeness.answered(first.get("versions"), second.get("versions"))
    return not any(item.known for item in unlike)


def _identity(record: Record) -> list[Any]:
    task, recipe = record.get("task") or {}, record.get("recipe") or {}
    return [
        task.get("name"),
        *(task.get(name) for name in ("version", "data_hash")),
        [recipe.get(slot) for slot in SLOTS],
        (record.get("model") or {}).get("fingerprint"),
        *(record.get(name) for name in ("split", "limit", "labels")),
    ]
