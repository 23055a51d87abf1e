"""A run becomes the committed reference that later runs are held against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.regression import floor
from harness.results import pins
from harness.results.pins import Snapshot
from harness.workflows.options.pin import PinOptions


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """The pin's name and file, and what it holds."""

    name: str
    file: Path
    snapshot: Snapshot

    @property
    def lacks_noise_floor(self) -> bool:
        """Whether training varies by an unknown amount, so that gates against this pin are provisional."""
        return floor.trained(self.snapshot) and floor.pooled(self.snapshot) is None

    def to_json(self) -> dict[str, object]:
        count, size = len(self.snapshot.samples), self.file.stat().st_size
        return {
            "pin": self.name,
            "file": str(self.file),
            "run": self.snapshot.name,
            "n": count,
            "bytes": size,
        }


def from_options(options: PinOptions) -> Pinned:
    """All that `harness pin` does.

    Raises:
        ConfigError: no such run, one that is not finished or was made by uncommitted code, or a bad name.
    """
    results, folder = options.results_path, Path(options.pins)
    snapshot = floor.with_floor(results, pins.of_run(results, options.run))
    if not options.allow_dirty:
        pins.refuse_dirty(snapshot, folder)
    file = pins.write(snapshot, options.as_, folder)
    return Pinned(name=options.as_, file=file, snapshot=snapshot)
