"""One `harness run`: experiment → runs → DuckDB → verdict → report → what is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.activity import silenced, working
from harness.core.errors import ConfigError
from harness.core.execution import Executor
from harness.core.options import names, numbers, path, repeated
from harness.core.protocols import Task
from harness.core.terminal import say, say_json
from harness.evidence.command import Invocation
from harness.evidence.cost import load as load_prices
from harness.evidence.verdict import Verdict
from harness.results import constants, findings, live, run_scores
from harness.results.billing import Bill, bills
from harness.results.missing import of_all
from harness.results.records.tuning import TuningRecord
from harness.results.remote import mirror
from harness.runner import torchrun
from harness.runner.cells import layout
from harness.runner.database_sync import open_index
from harness.runner.experiment import Experiment, from_file, from_settings
from harness.runner.progress import Progress
from harness.runner.refused import set_apart
from harness.runner.runner import Outcome
from harness.runner.settings import ExperimentSettings
from harness.runner.suitable import LeftOut
from harness.tasks import checks
from harness.workflows import run_all, tune
from harness.workflows.options.run import RunOptions


@dataclass(frozen=True, kw_only=True)
class RunSession:
    """What one command did: the runs, the verdicts (one per task and model) and the report."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    bills: tuple[Bill, ...]
    report: Path
    note: str = ""
    """What is reported about an earlier report that holds more and is kept."""
    warnings: tuple[str, ...] = ()
    """What cannot be provided as requested, and what is wrong with the tasks' rows, in the words of `harness
    validate`."""
    left_out: tuple[LeftOut, ...] = ()
    """Default recipes that the task or the model does not allow."""
    early: tuple[str, ...] = ()
    """What was not asked and not trained, because the verdict was sure; empty if everything was."""
    tuning: TuningRecord | None = None
    """What `--tune` found; the runs are the champions'."""

    @property
    def exit_code(self) -> int:
        return 3 if self.outcome.incomplete else 0

    @property
    def incomplete(self) -> tuple[str, ...]:
        """One line per run that failed or lacks answers, with the reason."""
        return of_all(self.outcome.records, self.outcome.incomplete)

    def to_json(self) -> dict[str, object]:
        """`{runs, verdict, verdicts, left_out, report}`; `verdict` is the first task's and model's."""
        verdicts = [verdict.to_json() for verdict in self.verdicts]
        return {
            "runs": [record.to_json() for record in self.outcome.records],
            "verdict": verdicts[0] if verdicts else None,
            "verdicts": verdicts,
            "costs": [bill.to_json() for bill in self.bills],
            "left_out": [recipe.to_json() for recipe in self.left_out],
            "notes": list(self.outcome.notes),
            "warnings": list(self.warnings),
            "stopped_early": list(self.early),
            "report": str(self.report),
            "incomplete": list(self.incomplete),
            "exit_code": self.exit_code,
        } | ({} if self.tuning is None else {"tuning": self.tuning.to_json()})


def from_options(options: RunOptions) -> RunSession | None:
    """All that `harness run` does; None in a process that torchrun started to help another one train.

    Raises:
        ConfigError: anything that does not exist or does not fit.
    """
    with silenced(options.quiet), working(f"reading {options.target}"):
        from harness.report.live import opening
        from harness.runner.executor_choice import executor
        from harness.runner.live_feed import LiveFeed
        from harness.runner.progress import Several
        from harness.runner.progress_choice import choose
        from harness.runner.tracking import watched

        chosen = experiment(options)
        settings = chosen.settings
        where = executor(settings.executor or "local")
    trackers = [settings.log_to] if isinstance(settings.log_to, str) else settings.log_to
    with silenced(options.quiet), torchrun.leading(where) as leads:
        if not leads:
            return None
        page = live.name_beside(options.results_path, chosen.name)
        if options.open:
            opening.beside(options.results_path, page)
        shown = watched(choose(quiet=options.quiet), trackers, options.results_path)
        feed = LiveFeed(options.results_path, page)
        with Several([feed, shown]) as progress:
            tuned = _tuned(chosen, options, progress, where)
            session = run(
                chosen if tuned is None else tuned.experiment,
                options.results_path,
                progress=progress,
                cache=settings.cache is not False,
                report=path(settings.report),
                prices=path(settings.prices),
                executor=where,
                fresh=options.fresh,
            )
            feed.reported(session.report)
            if tuned is None:
                return session
            return replace(session, tuning=tuned.record, left_out=(*tuned.left_out, *session.left_out))


def _tuned(chosen: Experiment, options: RunOptions, progress: Progress, where: Executor) -> tune.Tuned | None:
    """What `--tune` found; None without it."""
    if chosen.settings.tune is None:
        _refuse_without_tune(chosen.settings)
        return None
    _refuse_fresh(options)
    from harness.report import files

    # What would be refused after the budget is spent.
    run_all.check(chosen.settings, fresh=options.fresh)
    files.check(path(chosen.settings.report) or files.named(chosen.name))
    return tune.tuned(chosen, options.results_path, progress=progress, executor=where, quiet=options.quiet)


def _refuse_without_tune(settings: ExperimentSettings) -> None:
    """
    Raises:
        ConfigError: an option that means nothing without `--tune`.
    """
    for option, given in (("--together", settings.together), ("--proposer", settings.proposer)):
        if given:
            raise ConfigError(f"{option} needs --tune", remedy="e.g. --tune 12")


def _refuse_fresh(options: RunOptions) -> None:
    """
    Raises:
        ConfigError: `--fresh` would run the champions again, but not the trials that chose them.
    """
    if options.fresh:
        raise ConfigError(
            "--fresh cannot be combined with --tune", remedy="name another folder with --results"
        )


def experiment(options: RunOptions) -> Experiment:
    """The experiment that a command describes; what it names overrides its file's.

    Raises:
        ConfigError: anything that does not exist or does not fit.
    """
    target = str(options.target)
    named = names(options.recipes) if isinstance(options.recipes, str) else options.recipes
    typed = Invocation(
        target=target,
        task=target,
        models=repeated(options.model),
        recipes=tuple(name for name in named if isinstance(name, str)),
        settings=repeated(options.settings),
        seeds=options.seeds,
        limit=options.limit,
        labels=numbers(options.labels, "--labels"),
        kept=options.kept_words(),
    )
    file = Path(target)
    if file.suffix in (".yaml", ".yml") and file.name not in ("task.yaml", "task.yml"):
        return from_file(file, options, typed)
    return from_settings(options, file.stem, (target,), invocation=typed)


def run(
    experiment: Experiment,
    results: Path,
    *,
    progress: Progress,
    cache: bool = True,
    report: Path | None = None,
    prices: Path | None = None,
    executor: Executor | None = None,
    fresh: bool = False,
) -> RunSession:
    """Run every cell, keep DuckDB in step, decide, and write the report; `fresh` runs finished cells again."""
    priced = None if prices is None else load_prices(prices)
    with working("checking which recipes fit the task and the model"):
        planned = layout(experiment)
    cells = planned.cells
    from harness.report import files
    from harness.report.build import build

    out = report or files.named(experiment.name)
    files.check(out)
    open_index(results)
    for cell in cells:
        live.clear_skip(results, cell.id)
    warnings = (*planned.notes, *_warnings((cell.task for cell in cells), results))
    if executor is None or executor.in_process:
        progress.forecast(lambda: run_all.expected(experiment.settings, cells, results, fresh=fresh))
    constants.keep(results, (cell.task for cell in cells))  # Verdicts on the way compare with it too.
    ran = run_all.run(
        experiment.settings, planned, results, progress, cache=cache, executor=executor, fresh=fresh
    )
    outcome, cells, left_out = ran.outcome, ran.cells, (*planned.left_out, *ran.left_out)
    if experiment.defaults:
        outcome, refused = set_apart(cells, outcome)
        left_out += refused
    typed = {
        (cell.task.name, cell.model): replace(cell.invocation, results=mirror.address(results))
        for cell in cells
        if cell.invocation is not None
    }
    asked = {cell.id: frozenset(e.id for e in cell.examples) for cell in cells if cell.asks is not None}
    verdicts = tuple(run_scores.verdicts(outcome.folders, asked=asked, invocations=typed))
    costs = () if priced is None else tuple(bills(outcome.folders, priced))
    ids = [folder.name for folder in outcome.folders]
    placed = files.place(results, out, [r.id for r in outcome.records if r.has_answers])
    if placed.out is not None:
        build(
            results,
            placed.out,
            run_ids=ids,
            verdicts=verdicts,
            title=experiment.name,
            bills=costs,
            left_out=left_out,
            asked=asked,
        )
        mirror.keep(results, placed.out)
    return RunSession(
        outcome=outcome,
        verdicts=verdicts,
        bills=costs,
        report=placed.file,
        note=placed.note,
        warnings=warnings,
        left_out=left_out,
        early=ran.early,
    )


def _warnings(tasks: Iterable[Task], results: Path) -> tuple[str, ...]:
    """What `harness validate` warns about, for each task that is run; kept for the reports to come."""
    warnings = []
    for task in {task.name: task for task in tasks}.values():
        with working(f"checking the rows of {task.name}"):
            messages = [problem.message for problem in checks.before_run(task)]
        findings.keep(results, task.name, task.data_hash, messages)
        warnings += [f"{task.name}: {message}" for message in messages]
    return tuple(warnings)


def show(session: RunSession, *, as_json: bool) -> None:
    """Print what is missing, then the verdict; the report's path comes last."""
    if as_json:
        say_json(session.to_json())
        return
    from harness.report.terminal.summary import print_verdict
    from harness.report.terminal.tuning import print_tuning
    from harness.results.context_fit import with_reason

    for recipe in session.left_out:
        say(recipe.sentence, error=True)
    for line in session.warnings:
        say(f"warning: {line}", error=True)
    for line in session.incomplete:
        say(line)
    for record in session.outcome.records:
        for sentence in record.fitted:
            say(f"{record.id}: {with_reason(sentence)}", error=True)
    for note in session.outcome.notes:
        say(f"note: {note}", error=True)
    if session.tuning is not None:
        print_tuning(session.tuning)
    for verdict in session.verdicts:
        print_verdict(verdict)
    for line in session.early:
        say(line)
    for bill in session.bills:
        for break_even in bill.break_evens:
            say(f"  {break_even.sentence}")
    say(f"report: {session.report}" + (f" ({session.note})" if session.note else ""))
