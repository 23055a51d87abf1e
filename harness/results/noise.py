"""The noise floor of a recipe, beside the runs it was measured with."""

from __future__ import annotations

from pathlib import Path

from harness.core.keys import digest
from harness.results import likeness, side_files
from harness.results.folder import ResultsFolder
from harness.results.records.noise import NoiseFloor
from harness.results.records.run import CellRecord

REMEDY = "delete it; `harness gate` with --aa measures it again"


def noise_file(results: Path, record: CellRecord) -> Path:
    """Where the noise floor of a run's task, recipe and model is kept, whatever the seed."""
    slots = {name: value for name, value in record.recipe.raw.items() if name not in ("name", "about")}
    key = digest([record.task.name, slots, record.model.fingerprint, record.limit, record.labels])
    return ResultsFolder(results).noise(key)


def read_noise(results: Path, record: CellRecord) -> NoiseFloor | None:
    """The floor that `--aa` measured; None if there is none, or if it is for other scorers or other data."""
    floor = side_files.read(noise_file(results, record), NoiseFloor.of, REMEDY)
    return floor if floor is not None and floor.scored in (None, likeness.scoring_mark(record.task)) else None


def write_noise(results: Path, record: CellRecord, floor: NoiseFloor) -> Path:
    """Keep a floor for later runs of the recipe; it replaces an earlier one."""
    file = noise_file(results, record)
    side_files.write(file, floor.to_json())
    return file
