"""What a report is made from: run folders as read from disk, grouped by task and model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.evidence.triage import Triage
from harness.evidence.verdict_types import Compared, Verdict
from harness.report import studies
from harness.report.studies import Study
from harness.results import findings, tunings
from harness.results.asked import only, restricted
from harness.results.billing import Bill
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.lines import records, samples
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord
from harness.results.records.step import TrainStep
from harness.results.records.tuning import TuningRecord
from harness.results.run_files import read_head
from harness.results.run_labels import BESIDE, labels, members
from harness.results.run_scores import Asked
from harness.results.triage import read_triage
from harness.runner.suitable import LeftOut


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder, finished or not. `rows` are its answers, `steps` its training telemetry."""

    id: str
    recipe: str
    """What the recipe is called in tables."""
    folder: Path
    record: RunRecord
    rows: list[SampleRecord]
    steps: list[TrainStep]
    problems: tuple[str, ...] = ()
    """A description of what could not be read."""

    @property
    def seed(self) -> int:
        return self.record.seed

    @property
    def primary(self) -> str:
        return str(self.record.task.primary)

    @property
    def done(self) -> bool:
        """Whether it finished with answers, even if some of them are missing."""
        return self.record.has_answers

    def score(self, row: SampleRecord) -> float | None:
        """The primary score of one answer; None is an execution error or a skipped example."""
        return row.score(self.primary)


@dataclass(frozen=True, kw_only=True)
class TaskGroup:
    """Runs of one task under one model, in the order of the verdict: the highest mean first."""

    task: str
    model: str
    runs: tuple[Run, ...]
    verdict: Verdict | None = None
    triage: Triage | None = None
    """The result of an earlier `harness diagnose`; None without one."""
    findings: tuple[str, ...] = ()
    """What the checks of the task's rows warned about when it was run."""

    @property
    def name(self) -> str:
        return f"{self.task} · {self.model}"

    @property
    def compared(self) -> Compared:
        """What the runs are of: recipes, models or systems."""
        return "recipe" if self.verdict is None else self.verdict.compared

    @cached_property
    def recipes(self) -> list[str]:
        """Names of recipes, the highest mean first; those without a score last."""
        ranked = [] if self.verdict is None else [summary.recipe for summary in self.verdict.summaries]
        return list(dict.fromkeys([*ranked, *(run.recipe for run in self.runs)]))

    def of(self, recipe: str) -> list[Run]:
        """The finished runs of a recipe, by seed."""
        return sorted((r for r in self.runs if r.recipe == recipe and r.done), key=lambda run: run.seed)

    def colour(self, recipe: str) -> int:
        """The recipe's index in the palette, the same in every picture of the report."""
        return sorted(self.recipes).index(recipe)

    def run_name(self, run: Run) -> str:
        """The recipe, with the seed if there are several."""
        alone = len([r for r in self.runs if r.recipe == run.recipe]) == 1
        return run.recipe if alone else f"{run.recipe} · seed {run.seed}"


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that the sections collect from."""

    title: str
    groups: tuple[TaskGroup, ...]
    problems: tuple[str, ...] = field(default=())
    bills: tuple[Bill, ...] = field(default=())
    """Costs in money; empty if no prices were given."""
    studies: tuple[Study, ...] = field(default=())
    """Searches in the results folder, whichever task they are of."""
    tunings: tuple[TuningRecord, ...] = field(default=())
    """What `--tune` found, for whichever task."""
    left_out: tuple[LeftOut, ...] = field(default=())
    """Default recipes that were not run, because the task or the model does not allow them."""
    file: str = ""
    """Name of the file that the report is written to; empty if there is none."""

    @property
    def runs(self) -> list[Run]:
        """Each run once, although it may be in two groups."""
        return list(
            {run.id: run for group in reversed(self.groups) for run in reversed(group.runs)}.values()
        )[::-1]

    @property
    def beside(self) -> str:
        """Name of the file beside the report that holds the answers past its size cap."""
        return f"{Path(self.file).stem}.samples.jsonl"


def load(results: Path, run_ids: Sequence[str], asked: Asked | None = None) -> ReportData:
    """Read the folders of `run_ids`; what is unreadable is listed in `problems`, never raised.

    Args:
        asked: which examples of a run count; all do for a run that it does not name.
    """
    heads = [read_head(ResultsFolder(results).run(run_id).path) for run_id in dict.fromkeys(run_ids)]
    problems = [head for head in heads if isinstance(head, str)]
    readable = [head for head in heads if not isinstance(head, str)]
    names = labels(head.record for head in readable)
    runs = []
    for head in readable:
        unread: list[str] = list(head.problems)
        folder = RunFolder(head.folder)
        rows = samples(folder.samples, unread)
        steps = list(records(folder.steps, TrainStep, unread))
        record = head.record
        if len(kept := only(rows, (asked or {}).get(head.id))) < len(rows):
            rows, record = kept, restricted(record, kept, len(kept))
        runs.append(
            Run(
                id=head.id,
                recipe=names[head.record.id],
                folder=head.folder,
                record=record,
                rows=rows,
                steps=steps,
                problems=tuple(unread),
            )
        )
    return ReportData(
        title="",
        groups=_grouped(results, runs),
        problems=tuple(problems),
        studies=studies.read(results),
        tunings=tunings.read(results),
    )


def _grouped(results: Path, runs: Sequence[Run]) -> tuple[TaskGroup, ...]:
    by_id = {run.record.id: run for run in runs}
    records = [run.record for run in runs]
    beside = labels(records, together=True)
    groups = []
    for (task, model), group in members(records).items():
        own = [by_id[record.id] for record in group]
        if model == BESIDE:
            own = [dataclasses.replace(run, recipe=beside[run.record.id]) for run in own]
        groups.append(
            TaskGroup(
                task=task,
                model=model,
                runs=tuple(own),
                triage=_triage(results, own[0]),
                findings=findings.read(results, own[0].record.task),
            )
        )
    return tuple(groups)


def _triage(results: Path, run: Run) -> Triage | None:
    task, model = run.record.task, run.record.model
    return read_triage(results, task.name, model.spec, about=task, fingerprint=model.fingerprint)


def with_verdicts(data: ReportData, title: str, verdicts: Sequence[Verdict]) -> ReportData:
    """The same data, each group with its verdict and its runs in the verdict's order."""
    known = {(verdict.task, verdict.model): verdict for verdict in verdicts}
    groups = []
    for group in data.groups:
        decided = dataclasses.replace(group, verdict=known.get((group.task, group.model)))
        order = {recipe: rank for rank, recipe in enumerate(decided.recipes)}
        runs = sorted(group.runs, key=lambda run: (order[run.recipe], run.seed))
        groups.append(dataclasses.replace(decided, runs=tuple(runs)))
    return dataclasses.replace(data, title=title, groups=tuple(groups))
