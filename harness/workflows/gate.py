"""One `harness gate`: run and pin from disk, the task's rules, the noise floor, the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError, RunError
from harness.core.files import write_text
from harness.core.protocols import Task
from harness.regression import floor, gate_rules, gate_text, junit, noise_floor
from harness.regression.gate import Gate, judge
from harness.results import likeness, pins, run_names
from harness.results.folder import ResultsFolder
from harness.results.pins import Snapshot
from harness.runner import again
from harness.runner.cells import describe_task
from harness.workflows.options.gate import GateOptions

if TYPE_CHECKING:
    from harness.benchmarks.forgetting import Forgetting


def from_options(options: GateOptions) -> Gate:
    """`judged`, and the requested files.

    Raises:
        ConfigError: as `gate_run`, or a file that cannot be written.
        RunError: as `gate_run`.
    """
    outcome = judged(options)
    write(options, outcome)
    return outcome


def _named(outcome: Gate, results: Path) -> Gate:
    known = [folder.name for folder in ResultsFolder(results).run_folders()]
    return dataclasses.replace(outcome, short=run_names.short(outcome.run, known))


def write(options: GateOptions, outcome: Gate) -> None:
    """The requested files; one that cannot be written keeps no other from being written.

    Raises:
        ConfigError: one cannot be written.
    """
    texts = ((options.junit, junit.document), (options.markdown, gate_text.markdown))
    failures = []
    for file, text in texts:
        try:
            if file is not None:
                write_text(Path(file), text(outcome))
        except ConfigError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def judged(options: GateOptions) -> Gate:
    """`gate_run`; an error of the run itself is written as JUnit before it is raised."""
    try:
        return _named(gate_run(options), options.results_path)
    except RunError as error:
        if options.junit is not None:
            try:
                write_text(Path(options.junit), junit.of_error(options.run, options.against, error))
            except ConfigError as unwritten:
                raise RunError(f"{error}; and {unwritten}") from error
        raise


def gate_run(options: GateOptions) -> Gate:
    """Judge a run against a pin; `aa` reruns measure the noise floor first.

    Both sides are scored as the task file says now: a run from its stored answers, a pin if its run is
    still in the results folder.

    Raises:
        ConfigError: no such run, pin or task, other data or scoring, or malformed rules.
        RunError: the run itself, or a rerun, failed.
    """
    from harness.tasks.load import load

    results = options.results_path
    pinned = pins.read(options.against, Path(options.pins))
    # The reruns of `aa` are runs, too: a short name that means one run now may match several then.
    run = _done(results, options.run)
    if pinned.head.imported is not None and options.task is None:
        return _imported(options, pinned)
    loaded = load(options.task or pinned.head.task.name)
    limits = gate_rules.of_task(loaded, options.margin)
    if options.aa is not None:
        from harness.runner.progress_choice import choose

        with choose(quiet=False) as progress:
            noise_floor.measure(results, run, options.aa, progress, options.task)
    snapshot = floor.with_floor(results, pins.of_run(results, run))
    forgotten = _forgotten(results, snapshot.name) if limits.forgetting else {}
    snapshot, notes = scored_now(results, snapshot, loaded)
    unlike = _scored_otherwise(pinned, snapshot)
    if unlike and (kept := _pinned_run(results, pinned)) is not None:
        notes += (_rescored(f"pin '{pinned.name}'", unlike),)
        again_scored, _ = scored_now(results, kept, loaded)
        pinned = dataclasses.replace(again_scored, name=pinned.name)
    head = snapshot.head.changed(id=snapshot.name)
    mixed = [likeness.made_in_parts(side) for side in (head, pinned.head)]
    stale = [*again.stale(head), *filter(None, mixed)]
    return judge(
        snapshot,
        pinned,
        limits,
        forgotten=forgotten,
        allow_inconclusive=options.allow_inconclusive,
        allow_missing=options.allow_missing,
        notes=(*notes, *stale),
    )


def _imported(options: GateOptions, pinned: Snapshot) -> Gate:
    """Another tool's run against a pin of another tool's run: there is no task file, and nothing to rerun or
    rescore."""
    if options.aa is not None:
        raise ConfigError("another tool's run cannot be repeated here", remedy="omit --aa")
    return judge(
        pins.of_run(options.results_path, options.run),
        pinned,
        gate_rules.of_record(pinned.head.task, options.margin),
        allow_inconclusive=options.allow_inconclusive,
        allow_missing=options.allow_missing,
    )


def scored_now(results: Path, run: Snapshot, task: Task) -> tuple[Snapshot, tuple[str, ...]]:
    """A run as the task file scores it now, from its stored answers, and a sentence if that differs from
    before."""
    now = describe_task(task)
    unlike = [i for i in likeness.scored(run.head.task, now, [s.name() for s in task.scorers]) if i.known]
    if run.head.task.name != task.name or not unlike:
        return run, ()
    scored = pins.of_run(results, run.name, rescore=lambda rows: again.rescored(task, rows), task=now)
    return scored, (_rescored(run.name, unlike),)


def _rescored(what: str, unlike: Sequence[likeness.Unlike]) -> str:
    changes = "; ".join(item.sentence for item in unlike)
    return f"stored answers of {what} were scored again, as the task file says now ({changes})"


def _scored_otherwise(pinned: Snapshot, run: Snapshot) -> list[likeness.Unlike]:
    """In which respects a pin records another scoring than the run's current one, even if its run was scored
    again since."""
    scorers = [item.name for item in run.head.task.scorers]
    return [item for item in likeness.scored(pinned.head.task, run.head.task, scorers) if item.known]


def _pinned_run(results: Path, pinned: Snapshot) -> Snapshot | None:
    """The run that was pinned, if its folder still holds the pinned answers."""
    try:
        run = pins.of_run(results, pinned.head.id)
    except ConfigError:
        return None
    same = {sample.id: sample.output for sample in run.samples}
    return run if same == {sample.id: sample.output for sample in pinned.samples} else None


def _done(results: Path, run: str) -> str:
    """The whole name of a run that is done. One that failed is an execution error, not a mistake of the user who gates
    it."""
    folder = ResultsFolder(results).find_run(run)
    record = folder.record()
    if record is None:
        raise RunError(f"run '{folder.path.name}' did not finish; run its command again")
    if record.status not in pins.ANSWERED:
        raise RunError(f"run '{record.id}' {record.status}: {record.error}")
    return folder.path.name


def _forgotten(results: Path, run: str) -> dict[str, Forgetting]:
    from harness.benchmarks import forgetting

    losses: dict[str, Forgetting] = {}
    for item in forgetting.of_run(results, run):
        losses.setdefault(item.task, item)
    return losses
