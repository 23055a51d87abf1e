"""How long an experiment will take on this machine, announced before it begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core import notices
from harness.estimate import flops_estimate
from harness.models.source import is_tiny
from harness.results.folder import ResultsFolder
from harness.runner.asked import complete
from harness.runner.cells import Cell
from harness.runner.model_pool import is_server

NAMED_SHARE = 0.05
"""A recipe that takes a smaller share of the total is not named."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Seconds of each recipe that is left to run, and the recipes whose time is not known."""

    seconds: dict[str, float]
    unknown: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def sentence(self) -> str:
        """One line; empty if nothing is known."""
        if not self.seconds:
            return ""
        long = [(name, each) for name, each in self.seconds.items() if each >= NAMED_SHARE * self.total]
        parts = ", ".join(f"{name} {duration(each)}" for name, each in long) if len(self.seconds) > 1 else ""
        unknown = f"; not counted: {', '.join(self.unknown)}" if self.unknown else ""
        share = f" ({parts})" if parts else ""
        return f"this will take roughly {duration(self.total)} on this machine at its present load{share}{unknown}"


def duration(seconds: float) -> str:
    """A rounded duration, because it is an estimate: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def forecast(cells: Sequence[Cell], results: Path, *, fresh: bool = False) -> Forecast:
    """The time left in an experiment, from the operations it takes; servers and the random model are not counted.

    Args:
        results: the results folder; cells that are complete there take no time.
        fresh: whether complete cells are run again.
    """
    seconds: dict[str, float] = {}
    unknown: list[str] = []
    for cell in cells:
        if cell.fault or is_tiny(cell.model) or is_server(cell.model):
            continue
        if not fresh and complete(cell, ResultsFolder(results).run(cell.id)) is not None:
            continue
        with notices.captured(
            Path(os.devnull)
        ):  # The run logs the libraries' messages again, in its own folder.
            expected = flops_estimate.seconds_per_run(
                cell.recipe,
                cell.model,
                cell.task,
                labels=getattr(cell.recipe.data, "limit", None),
                asked=cell.examples,
                seed=cell.seed,
            )
        if expected is None:
            unknown.append(cell.recipe.name)
        else:
            seconds[cell.recipe.name] = seconds.get(cell.recipe.name, 0.0) + expected
    return Forecast(seconds=seconds, unknown=tuple(dict.fromkeys(unknown)))
