"""The harness from Python: run an experiment, read the results, show the verdict in a notebook.

What a command prints or writes is here a value: `run` gives back what `harness run` reports, and
`load` reads a results folder. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.core.options import accepts
from harness.workflows.decisions import ImportDecisions, Results, RunResult, decisions_of
from harness.workflows.options.benchmark import BenchmarkOptions
from harness.workflows.options.compare import CompareOptions
from harness.workflows.options.diagnose import DiagnoseOptions
from harness.workflows.options.estimate import EstimateOptions
from harness.workflows.options.export import ExportOptions
from harness.workflows.options.gate import GateOptions
from harness.workflows.options.history import HistoryOptions
from harness.workflows.options.import_logs import ImportOptions
from harness.workflows.options.pin import PinOptions
from harness.workflows.options.report import ReportOptions
from harness.workflows.options.run import RunOptions
from harness.workflows.options.search import SearchOptions
from harness.workflows.options.shared import ResultsOptions
from harness.workflows.options.upgrade import UpgradeOptions
from harness.workflows.options.validate import ValidateOptions

if TYPE_CHECKING:
    from harness.regression.gate import Gate
    from harness.tasks.validation_report import Inspection
    from harness.workflows.benchmark import BenchmarkResult
    from harness.workflows.compare import RunDifference
    from harness.workflows.diagnose import Diagnosis
    from harness.workflows.export import Exported
    from harness.workflows.history import History
    from harness.workflows.pin import Pinned
    from harness.workflows.report import Report
    from harness.workflows.search_output import SearchSummary
    from harness.workflows.upgrade import Upgrade

WithResults = TypeVar("WithResults", bound=ResultsOptions)


@accepts(RunOptions)
def run(options: RunOptions) -> RunResult:
    """`harness run` as a function: a task's name or folder, or an experiment's YAML file.

    Raises:
        ConfigError: anything that does not exist or does not fit. A run that fails raises nothing:
            it is recorded, in `records`, with status `failed`; one that lacks answers with `partial`.
        SystemExit: in a process that torchrun started to help the first one, when its work is done.
    """
    from harness.workflows import run as workflow

    with _mirrored(options) as options:
        done = workflow.from_options(options)
    if done is None:
        raise SystemExit(0)
    return RunResult(
        records=tuple(record.to_json() for record in done.outcome.records),
        decisions=decisions_of(
            options.results_path, [path.name for path in done.outcome.folders], done.verdicts
        ),
        report=done.report,
        bills=done.bills,
        left_out=done.left_out,
        tuning=done.tuning,
    )


@accepts(SearchOptions)
def search(options: SearchOptions) -> SearchSummary:
    """`harness search` as a function: a recipe's hyperparameters, searched on dev and confirmed once on test.

    Raises:
        ConfigError: anything that does not exist or does not fit.
        RunError: every trial failed, with the cause of the first.
    """
    from harness.workflows import search_output

    with _mirrored(options) as options:
        return search_output.from_options(options)


@accepts(DiagnoseOptions)
def diagnose(options: DiagnoseOptions) -> Diagnosis:
    """`harness diagnose` as a function: what the untrained model lacks, asked on dev.

    Raises:
        ConfigError: no such task or model.
        RunError: a probe could not be run, with its error.
    """
    from harness.workflows import diagnose as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(CompareOptions)
def compare(options: CompareOptions) -> RunDifference:
    """`harness compare` as a function: the paired difference of two runs, and what each forgot.

    Raises:
        ConfigError: no such run, or two that cannot be compared.
    """
    from harness.workflows import compare as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(GateOptions)
def gate(options: GateOptions) -> Gate:
    """`harness gate` as a function: whether a run is worse than a pin, by the task's margins.

    Raises:
        ConfigError: no such run, pin or task, or a file that cannot be written.
        RunError: the run itself, or a rerun, failed.
    """
    from harness.workflows import gate as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(UpgradeOptions)
def upgrade(options: UpgradeOptions) -> Upgrade:
    """`harness upgrade` as a function: the same recipes on two bases, and what to do.

    Raises:
        ConfigError: no such task, recipe or model.
        RunError: a run failed that is not merely a trained part that does not fit.
    """
    from harness.workflows import upgrade as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(BenchmarkOptions)
def benchmark(options: BenchmarkOptions) -> BenchmarkResult:
    """`harness benchmark` as a function: lm-eval tasks, and what training made a model forget.

    Raises:
        ConfigError: a name that is neither a run nor a model, or a task that cannot be used.
    """
    from harness.workflows import benchmark as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(ExportOptions)
def export(options: ExportOptions) -> Exported:
    """`harness export` as a function: a finished run as a folder that other tools serve.

    Raises:
        ConfigError: no such run, one that is not finished, or a folder that is not empty.
    """
    from harness.workflows import export as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(ReportOptions)
def report(options: ReportOptions) -> Report:
    """`harness report` as a function: the report of runs that are there, in one or several formats.

    Raises:
        ConfigError: no such run or format, or a file that cannot be written.
    """
    from harness.workflows import report as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(PinOptions)
def pin(options: PinOptions) -> Pinned:
    """`harness pin` as a function: a run becomes the reference that later runs are held against.

    Raises:
        ConfigError: no such run, one that is not finished or was made by uncommitted code, or a bad name.
    """
    from harness.workflows import pin as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(HistoryOptions)
def history(options: HistoryOptions) -> History:
    """`harness history` as a function: the trend of every recipe over time and base models.

    Raises:
        ConfigError: no such task or recipe, or a page that cannot be written.
    """
    from harness.workflows import history as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(ImportOptions)
def import_logs(options: ImportOptions) -> ImportDecisions:
    """`harness import` as a function: other tools' logs as runs, paired by what they show of each example.

    Raises:
        ConfigError: a file that cannot be read, or logs of which no example can be paired.
    """
    from harness.workflows import import_logs as workflow

    with _mirrored(options) as options:
        done = workflow.from_options(options)
        ids = [record.id for record in done.records]
        return ImportDecisions(
            records=tuple(record.to_json() for record in done.records),
            decisions=decisions_of(options.results_path, ids, done.verdicts),
            pairings=tuple(pairing.sentence for pairing in done.pairings),
            notes=done.notes,
            report=done.report,
        )


@accepts(ValidateOptions)
def validate(options: ValidateOptions) -> Inspection:
    """`harness validate` as a function: problems of a task's rows, and an example as a model sees it.

    Raises:
        ConfigError: the task does not load, its gate is malformed, or there is no such model.
    """
    from harness.workflows import validate as workflow

    return workflow.from_options(options)


@accepts(EstimateOptions)
def estimate(options: EstimateOptions) -> JsonObject:
    """`harness estimate` as a function: bytes and GB of each method, before anything is loaded.

    Raises:
        ConfigError: no such model or method, or both a model and `parameters`, or neither.
    """
    from harness.workflows import estimate as workflow

    return workflow.from_options(options)


def load(results: str | Path = "results") -> Results:
    """A results folder, or what is at a URL such as s3://bucket/x.

    Raises:
        ConfigError: there is none.
    """
    from harness.results.remote.mirror import results_folder

    folder = results_folder(results)
    if not folder.is_dir():
        raise ConfigError("no such results folder", file=folder, remedy="start with: harness run TASK")
    return Results(folder)


@contextmanager
def _mirrored(options: WithResults) -> Iterator[WithResults]:
    """The options with a local results folder; what is new in it goes to the URL that it mirrors."""
    from harness.results.remote import mirror

    with mirror.opened(options.results) as folder:
        yield dataclasses.replace(options, results=folder)
