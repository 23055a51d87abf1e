"""Training noise that is already known of recipes run with one seed: from `--aa`, or from earlier seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core import likeness
from harness.core.recipes import SLOTS
from harness.evidence.aggregate import gather
from harness.evidence.stats import seeds
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict_types import RunScores
from harness.results.folder import RunFolder

Record = dict[str, Any]


def known(
    group: Sequence[tuple[Record, Path]],
    names: Mapping[str, str],
    scores: Callable[[Record, Path], RunScores],
) -> dict[str, TrainingNoise]:
    """Name of a trained recipe → its training noise, where something beside these runs shows it.

    Args:
        group: records and folders of the runs of one task and model.
        names: run id → what the run's recipe is called in the verdict.
        scores: reads the per-example scores of a finished run.
    """
    floors: dict[str, TrainingNoise] = {}
    for record, path in group:
        name = names[record["id"]]
        if record["train"] is None or name in floors:
            continue
        parts = [_measured(path.parent.parent, record), _earlier(record, path, scores)]
        noise = max((part for part in parts if part is not None), key=lambda part: part.df, default=None)
        if noise is not None:
            floors[name] = noise
    return floors


def _measured(results: Path, record: Record) -> TrainingNoise | None:
    """The floor that `harness gate --aa` or `harness pin --aa` left; repeats of one seed are none."""
    from harness.results.pins import read_noise

    try:
        floor = read_noise(results, record) or {}
    except (OSError, json.JSONDecodeError):
        return None
    variance, df = floor.get("variance"), floor.get("df")
    if not isinstance(variance, float) or not isinstance(df, int | float):
        return None
    return TrainingNoise(variance, float(df)) if len(floor.get("seeds") or ()) > 1 else None


def _earlier(record: Record, path: Path, scores: Callable[[Record, Path], RunScores]) -> TrainingNoise | None:
    """The noise between all seeds of the same recipe on the same task that the results folder holds."""
    runs = {record["seed"]: scores(record, path)}
    for other, folder in _finished(path.parent, f"{record['task']['name']}-{record['recipe']['name']}"):
        if other["seed"] not in runs and identity(other) == identity(record) and _as_now(other, record):
            runs[other["seed"]] = scores(other, folder)
    if len(runs) < 2:
        return None
    tables = gather(list(runs.values()))
    if not tables:
        return None
    return seeds.training_noise(tables[0].values, tables[0].clusters(tables[0].ids))


def _finished(folder: Path, prefix: str) -> Iterator[tuple[Record, Path]]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(prefix) and (record := RunFolder(path).finished()) is not None:
            yield record, path


def _as_now(other: Record, record: Record) -> bool:
    """Whether nothing says that library versions made two runs' answers differ."""
    unlike = likeness.answered(other.get("versions"), record.get("versions"))
    return not any(item.known for item in unlike)


def identity(record: Record) -> tuple[object, ...]:
    """Everything that must be the same for two runs to be seeds of each other, their scoring included."""
    task, recipe = record["task"], record["recipe"]
    slots = json.dumps([recipe.get(slot) for slot in SLOTS], sort_keys=True, default=str)
    about = [*(task.get(name) for name in ("name", "data_hash", "primary")), likeness.scoring_mark(task)]
    return (*about, slots, record["model"].get("fingerprint"), record["labels"], record["split"])
