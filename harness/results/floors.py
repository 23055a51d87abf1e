"""Training noise that is already known for recipes run with one seed: from `--aa`, or from earlier seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.core.keys import canonical_json
from harness.evidence.aggregate import gather
from harness.evidence.stats import seeds
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict_types import RunScores
from harness.results import likeness
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.noise import read_noise
from harness.results.records.run import RunRecord


def known(
    group: Sequence[tuple[RunRecord, Path]],
    names: Mapping[str, str],
    scores: Callable[[RunRecord, Path], RunScores],
) -> dict[str, TrainingNoise]:
    """Name of a trained recipe → its training noise, if something besides these runs shows it.

    Args:
        group: records and folders of the runs of one task and model.
        names: run id → what the run's recipe is called in the verdict.
        scores: reads the per-example scores of a finished run.
    """
    floors: dict[str, TrainingNoise] = {}
    for record, path in group:
        name = names[record.id]
        if record.train is None or name in floors:
            continue
        parts = [_measured(RunFolder(path).results, record), _earlier(record, path, scores)]
        noise = max((part for part in parts if part is not None), key=lambda part: part.df, default=None)
        if noise is not None:
            floors[name] = noise
    return floors


def _measured(results: ResultsFolder, record: RunRecord) -> TrainingNoise | None:
    """The floor that `harness gate --aa` or `harness pin --aa` left; repeats of one seed do not count as a
    floor."""
    floor = read_noise(results.path, record)
    if floor is None or floor.df is None or len(floor.seeds) < 2:
        return None
    return TrainingNoise(floor.variance, floor.df)


def _earlier(
    record: RunRecord, path: Path, scores: Callable[[RunRecord, Path], RunScores]
) -> TrainingNoise | None:
    """The noise between all seeds of the same recipe on the same task that the results folder holds."""
    runs = {record.seed: scores(record, path)}
    for other, folder in _finished(path.parent, f"{record.task.name}-{record.recipe.name}"):
        if other.seed not in runs and identity(other) == identity(record) and _as_now(other, record):
            runs[other.seed] = scores(other, folder)
    if len(runs) < 2:
        return None
    tables = gather(list(runs.values()))
    if not tables:
        return None
    return seeds.training_noise(tables[0].values, tables[0].clusters(tables[0].ids))


def _finished(folder: Path, prefix: str) -> Iterator[tuple[RunRecord, Path]]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(prefix) and (record := RunFolder(path).finished()) is not None:
            yield record, path


def _as_now(other: RunRecord, record: RunRecord) -> bool:
    """Whether nothing indicates that library versions made two runs' answers differ."""
    return not any(item.known for item in likeness.answered(other.versions, record.versions))


def identity(record: RunRecord) -> tuple[object, ...]:
    """Everything that must be the same for two runs to be seeds of each other, their scoring included."""
    task = record.task
    slots = canonical_json(record.recipe.slots)
    return (
        *(task.name, task.data_hash, task.primary, likeness.scoring_mark(task), slots),
        *(record.model.fingerprint, record.labels, record.split),
    )
