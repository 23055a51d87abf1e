"""Peak memory as it was predicted before a run, beside what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.report.data import TaskGroup
from harness.report.html import components


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Medians over a recipe's seeds, in bytes; `where` is `process` or `GPU`."""

    recipe: str
    where: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Relative: +0.1 means that the prediction was a tenth too high."""
        return self.predicted / self.measured - 1


def peaks(group: TaskGroup) -> tuple[Peak, ...]:
    """One for each recipe that has both; runs from before predictions existed have none."""
    peaks = []
    for recipe in group.recipes:
        records = [run.record for run in group.of(recipe)]
        for where, measures in (
            ("GPU", [record.peak_device_bytes for record in records]),
            ("process", [record.peak_memory_bytes for record in records]),
        ):
            pairs = zip((record.predicted_peak_bytes for record in records), measures, strict=True)
            known = [(predicted, measured) for predicted, measured in pairs if predicted and measured]
            if known:
                predicted, measured = (statistics.median(side) for side in zip(*known, strict=True))
                peaks.append(Peak(recipe=recipe, where=where, predicted=predicted, measured=measured))
                break
    return tuple(peaks)


def table(peaks: Sequence[Peak]) -> Markup:
    columns = [
        ("recipe", ""),
        ("memory of", ""),
        ("predicted", "before the run, from the configuration"),
        ("measured", "peak"),
        ("error", "predicted against measured"),
    ]
    rows = [
        [
            components.TableCell(text=peak.recipe),
            components.TableCell(text=peak.where),
            components.number(formatting.size(peak.predicted), peak.predicted),
            components.number(formatting.size(peak.measured), peak.measured),
            components.number(f"{100 * peak.error:+.0f} %", peak.error),
        ]
        for peak in peaks
    ]
    return components.table(
        components.Table(caption="Peak memory, predicted and measured", columns=columns, rows=rows)
    )
