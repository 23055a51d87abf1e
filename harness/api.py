"""The harness from Python: run an experiment, read the results, show the verdict in a notebook.

Each function takes the options of its command as arguments and returns what the command reports as a value;
`load` opens a results folder. Nothing heavy is imported before it is needed.
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
from harness.workflows.options.view import ViewOptions

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
    """`harness run` as a function: every recipe on a task, scored, stored and judged.

    Finished runs are not repeated, and interrupted ones continue.

    Returns:
        The records of all runs (the content of each `run.json`: seconds, bytes, scores in [0, 1]), a decision per
        task and model, and the path of the report. A run that fails raises nothing: its record has status `failed`,
        or `partial` if only some answers are missing.

    Raises:
        ConfigError: a task, model, recipe, file or setting that does not exist or is not valid.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
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
    )


@accepts(SearchOptions)
def search(options: SearchOptions) -> SearchSummary:
    """`harness search` as a function: a recipe's hyperparameters, searched on dev and confirmed once on test.

    At a terminal it asks for confirmation if the search is estimated to take long; `yes=True` skips the question.

    Returns:
        All trials, the best of them, the file of the chosen recipe, and its comparison on test (None with `seeds=0`).

    Raises:
        ConfigError: a task, recipe, model, knob, range or objective that does not exist or is not valid.
        RunError: every trial failed (with the cause of the first), no trial satisfies the constraints, the
            study's storage became unreachable, or the estimate was not confirmed.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import search_output

    with _mirrored(options) as options:
        return search_output.from_options(options)


@accepts(DiagnoseOptions)
def diagnose(options: DiagnoseOptions) -> Diagnosis:
    """`harness diagnose` as a function: what the untrained model lacks, measured with probes on dev.

    A task without dev examples is probed on train.

    Returns:
        The share of the lost score that each gap causes, with 95 % intervals; which methods are worth trying; and the
        next command.

    Raises:
        ConfigError: no such task or model, or too few examples.
        RunError: a probe failed, with its error.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import diagnose as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(CompareOptions)
def compare(options: CompareOptions) -> RunDifference:
    """`harness compare` as a function: the paired difference of two runs, and what each forgot.

    Returns:
        `first` minus `second` in score units (0.01 is one point) with its 95 % interval, p-value and outcome, the
        examples that differ, and measured forgetting on public benchmarks.

    Raises:
        ConfigError: no such run, or two runs that cannot be compared (other task, data, split or scoring).
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import compare as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(GateOptions)
def gate(options: GateOptions) -> Gate:
    """`harness gate` as a function: whether a run is worse than a pin, by the task's margins.

    A regression raises nothing: it is the result's `verdict`, and its `exit_code` is that of the command.

    Returns:
        The verdict, one check per gated metric with its 95 % interval, the examples that flipped, and what changed.

    Raises:
        ConfigError: no such run, pin or task, sides that cannot be compared, or a file that cannot be written.
        RunError: the run did not finish, or a rerun for `aa` failed.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import gate as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(UpgradeOptions)
def upgrade(options: UpgradeOptions) -> Upgrade:
    """`harness upgrade` as a function: the same recipes on two base models, and whether to upgrade.

    Returns:
        Per recipe: the effects of the base and of the adaptation in score units with 95 % intervals, and the
        recommendation; `exit_code` is that of the command.

    Raises:
        ConfigError: no such task, recipe or model.
        RunError: a run failed. A trained part that cannot be moved to the new base is a result, not an error.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import upgrade as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(BenchmarkOptions)
def benchmark(options: BenchmarkOptions) -> BenchmarkResult:
    """`harness benchmark` as a function: lm-eval tasks, and what training made a model forget.

    Returns:
        The measured metrics per target and task, each run's change against its untuned base, what was imported, and
        the files that were written.

    Raises:
        ConfigError: a name that is neither a run nor a model, a task that cannot be used, or an unreadable file.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import benchmark as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(ExportOptions)
def export(options: ExportOptions) -> Exported:
    """`harness export` as a function: a finished run as a folder that other tools serve.

    Returns:
        The folder, its layout (`adapter`, `model`, or None if nothing was trained), its files with their sizes in
        bytes, and the commands that serve it.

    Raises:
        ConfigError: no such run, an unfinished one, a folder that is not empty, a task that has changed since, or
            weights that no other tool can read.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import export as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(ReportOptions)
def report(options: ReportOptions) -> Report:
    """`harness report` as a function: the report of stored runs, in one or several formats.

    Returns:
        The files that were written, the runs they show, those left out, and the verdicts.

    Raises:
        ConfigError: no such run, task or format, nothing to report, or a file that cannot be written.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import report as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(PinOptions)
def pin(options: PinOptions) -> Pinned:
    """`harness pin` as a function: makes a run the reference that later runs are compared with.

    Returns:
        The pin's name and file, and the pinned scores.

    Raises:
        ConfigError: no such run, an unfinished one, one made by uncommitted code, or a name that is not valid.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import pin as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(HistoryOptions)
def history(options: HistoryOptions) -> History:
    """`harness history` as a function: the trend of every recipe over time and base models.

    Returns:
        A series per task and recipe with its runs, upgrades and change point; the page if `html` is set; and what
        could not be read.

    Raises:
        ConfigError: no such task or recipe, or a page that cannot be written.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
    """
    from harness.workflows import history as workflow

    with _mirrored(options) as options:
        return workflow.from_options(options)


@accepts(ImportOptions)
def import_logs(options: ImportOptions) -> ImportDecisions:
    """`harness import` as a function: other tools' logs as runs, with their examples paired by content.

    Returns:
        The records of the imported runs (scores in [0, 1]), a decision per task, a sentence per pair of systems on
        how their examples pair, notes, and the path of the report (None without one).

    Raises:
        ConfigError: a file that cannot be read, a metric that not all logs have, or logs without a common example;
            nothing is imported then.
        RemoteError: `results` is a URL, and the storage there cannot be read or written.
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
    """`harness validate` as a function: problems in a task's rows, and an example as a model sees it.

    Returns:
        The problems, each an error or a warning; lengths of prompts and targets in tokens of `model` (characters
        without a model); label counts; and one rendered example.

    Raises:
        ConfigError: the task does not load, its gate is not valid, or no such model.
    """
    from harness.workflows import validate as workflow

    return workflow.from_options(options)


@accepts(ViewOptions)
def view(options: ViewOptions) -> None:
    """`harness view` as a function: serves the live page of an experiment until it is interrupted.

    Raises:
        ConfigError: no such experiment, a port that is taken, or a package that is missing.
    """
    from harness.workflows import view as workflow

    with _mirrored(options) as local:
        workflow.from_options(local)


@accepts(EstimateOptions)
def estimate(options: EstimateOptions) -> JsonObject:
    """`harness estimate` as a function: the memory and compute of each method, before anything is loaded.

    Returns:
        Per recipe: bytes and GB (10⁹ bytes), plus what fits a card if `gpu` (GiB) is set.

    Raises:
        ConfigError: no such model, recipe or dtype; both a model and `parameters`, or neither.
    """
    from harness.workflows import estimate as workflow

    return workflow.from_options(options)


def load(results: str | Path = "results") -> Results:
    """Open a results folder to query its tables and show its decisions.

    Args:
        results: a folder, or a URL such as s3://bucket/x, which is mirrored to a local folder first.

    Raises:
        ConfigError: no such folder, or a URL that cannot be used.
        RemoteError: the storage at the URL cannot be read.
    """
    from harness.results.remote.mirror import results_folder

    folder = results_folder(results)
    if not folder.is_dir():
        raise ConfigError("no such results folder", file=folder, remedy="start with: harness run TASK")
    return Results(folder)


@contextmanager
def _mirrored(options: WithResults) -> Iterator[WithResults]:
    """The options with a local results folder; its new files are uploaded to the URL that it mirrors."""
    from harness.results.remote import mirror

    with mirror.opened(options.results) as folder:
        yield dataclasses.replace(options, results=folder)
