"""How every recipe has done over time and over base models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.regression import history
from harness.regression.history import Series
from harness.tasks.named import name_of
from harness.workflows.options.history import HistoryOptions


@dataclass(frozen=True, kw_only=True)
class History:
    """The series, the page if one was written, and what could not be read."""

    series: tuple[Series, ...]
    page: Path | None
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        page = None if self.page is None else str(self.page)
        return {"series": [item.to_json() for item in self.series], "page": page}


def from_options(options: HistoryOptions) -> History:
    """All that `harness history` does.

    Raises:
        ConfigError: no such results folder, or a page that cannot be written.
    """
    problems: list[str] = []
    task = None if options.task is None else name_of(options.task)
    series = history.load(options.results_path, task, options.recipe, problems)
    page = None
    if options.html:
        from harness.report.build import build_history

        page = build_history(series, Path(options.out))
    return History(series=series, page=page, problems=tuple(problems))
