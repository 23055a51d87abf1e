"""Two runs on the same examples, and what each forgot."""

from __future__ import annotations

from dataclasses import dataclass

from harness.benchmarks import forgetting
from harness.benchmarks.forgetting import Forgetting
from harness.report import run_comparison
from harness.report.run_comparison import RunPair
from harness.results.database import ingest
from harness.workflows.options.compare import CompareOptions


@dataclass(frozen=True, kw_only=True)
class RunDifference:
    """The paired difference, and what is known about what each run forgot."""

    pair: RunPair
    forgetting: tuple[Forgetting, ...]

    def to_json(self) -> dict[str, object]:
        return {**self.pair.to_json(), "forgetting": [item.to_json() for item in self.forgetting]}


def from_options(options: CompareOptions) -> RunDifference:
    """All that `harness compare` does.

    Raises:
        ConfigError: no such run, or two that cannot be compared.
    """
    ingest.sync(options.results_path)
    pair = run_comparison.compare_runs(options.results_path, options.first, options.second)
    forgot = [
        item for run in (pair.first, pair.second) for item in forgetting.known(options.results_path, run)
    ]
    return RunDifference(pair=pair, forgetting=tuple(forgot))
