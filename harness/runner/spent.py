"""What a finished run had cost before it was extended: the larger run costs that as well."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from harness.results.folder import RunFolder
from harness.results.records.run import CostRecord, RunRecord


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of wall time, and peak memory of the process and the device in bytes."""

    seconds: float = 0.0
    peak_memory_bytes: int = 0
    peak_device_bytes: int | None = None

    def to_json(self) -> dict[str, float | int | None]:
        return asdict(self)

    def together(self, other: Spent) -> Spent:
        """The cost of both: seconds add up, peaks take the maximum."""
        devices = [peak for peak in (self.peak_device_bytes, other.peak_device_bytes) if peak is not None]
        return Spent(
            seconds=self.seconds + other.seconds,
            peak_memory_bytes=max(self.peak_memory_bytes, other.peak_memory_bytes),
            peak_device_bytes=max(devices, default=None),
        )


def before(folder: RunFolder) -> Spent:
    """The recorded cost of the finished run in `folder`; if it was resumed since, the cost noted then."""
    record = folder.answered()
    if record is not None:
        return _read(record)
    cell = folder.cell()
    return _read((cell.before if cell is not None else None) or CostRecord())


def training_elsewhere(folder: RunFolder, run: str | None) -> Spent:
    """The peaks of the run that trained the weights, if another one did."""
    record = None if run is None else RunFolder(folder.path.with_name(run)).record()
    known = _read(record or CostRecord())
    return Spent(peak_memory_bytes=known.peak_memory_bytes, peak_device_bytes=known.peak_device_bytes)


def _read(record: RunRecord | CostRecord) -> Spent:
    return Spent(
        seconds=record.seconds or 0.0,
        peak_memory_bytes=record.peak_memory_bytes or 0,
        peak_device_bytes=record.peak_device_bytes,
    )
