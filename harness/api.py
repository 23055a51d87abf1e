"""The harness from Python: run an experiment, read the results, show the verdict in a notebook.

What a command prints or writes is here a value: `run` gives back what `harness run` reports, and
`load` reads a results folder. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.evidence.verdict_types import Verdict
from harness.report.notebook import Shown, shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

    from harness.runner.suitable import LeftOut


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The verdict over some runs of one task and model, and the sections of its report."""

    verdict: Verdict
    results: Path
    run_ids: tuple[str, ...]

    def __str__(self) -> str:
        return self.verdict.sentence

    __repr__ = __str__

    def section(self, *names: str) -> Shown:
        """Sections of the report for a notebook, e.g. `section("differences", "cost")`.

        Raises:
            ConfigError: no section of that name.
        """
        return shown(self.results, self.run_ids, (self.verdict,), names)

    def _repr_html_(self) -> str:
        return self.section("verdict", "matrix", "differences", "cost")._repr_html_()


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What one `run` did: the records of its runs, its decisions and the report's file."""

    records: tuple[JsonObject, ...]
    decisions: tuple[Decision, ...]
    report: Path
    left_out: tuple[LeftOut, ...] = ()
    """Default recipes that the task or the model does not allow, each with its reason and remedy."""

    @property
    def decision(self) -> Decision:
        """The only decision.

        Raises:
            ConfigError: there are several tasks or models.
        """
        return _only(self.decisions)

    def __repr__(self) -> str:
        decisions = "\n".join(str(decision) for decision in self.decisions)
        return f"{decisions or 'no run was finished'}\nreport: {self.report}"

    def _repr_html_(self) -> str:
        return "".join(decision._repr_html_() for decision in self.decisions) or "No run was finished."


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What one import did: its runs, how their examples were paired, and the decision per task."""

    records: tuple[JsonObject, ...]
    decisions: tuple[Decision, ...]
    pairings: tuple[str, ...]
    """One sentence per pair of systems: how many of how many examples, by what evidence, and why not the rest."""
    notes: tuple[str, ...]
    report: Path | None
    """None where there was nothing to report on."""

    @property
    def decision(self) -> Decision:
        """The only decision.

        Raises:
            ConfigError: there are several tasks.
        """
        return _only(self.decisions)

    def __repr__(self) -> str:
        return "\n".join([*self.pairings, *(str(decision) for decision in self.decisions)])


@dataclass(frozen=True)
class Results:
    """A results folder. Tables and views are described in docs/store.md."""

    path: Path

    def sql(self, query: str) -> DuckDBPyRelation:
        """A query's answer as a DuckDB relation in memory: `.df()` is pandas, `.arrow()` Arrow, `.pl()` polars.

        Raises:
            ConfigError: no such folder, or a query that DuckDB refuses.
        """
        from harness.results.database.ingest import sync
        from harness.results.database.sql import relation

        sync(self.path)
        return relation(self.path, query)

    def table(self, name: str) -> DuckDBPyRelation:
        """A whole table or view, e.g. `runs`, `samples`, `scores`, `leaderboard`."""
        return self.sql(f'FROM "{name}"')

    def decisions(self, *runs: str, task: str | None = None) -> tuple[Decision, ...]:
        """A decision per task and model, over the runs named or over the latest comparable ones."""
        from harness.report.run_selection import choose
        from harness.results.database.ingest import sync
        from harness.results.folder import ResultsFolder
        from harness.results.run_scores import verdicts

        sync(self.path)
        ids = choose(self.path, runs, task).runs
        return _decisions(
            self.path, ids, verdicts([ResultsFolder(self.path).run(run_id).path for run_id in ids])
        )

    def decision(self, *runs: str, task: str | None = None) -> Decision:
        """The only decision there is over these runs."""
        return _only(self.decisions(*runs, task=task))


def run(
    target: str | Path,
    *,
    model: str | Sequence[str] = (),
    recipes: Sequence[str] = (),
    seeds: int | None = None,
    limit: int | None = None,
    labels: Sequence[int] = (),
    settings: Sequence[str] = (),
    results: str | Path = "results",
    report: str | Path | None = None,
    log_to: Sequence[str | Mapping[str, Any]] = (),
    quiet: bool = False,
) -> RunResult:
    """`harness run` as a function: a task's name or folder, or an experiment's YAML file.

    Args:
        results: a folder, or a URL such as s3://bucket/x.
        settings: overrides as the command takes them, e.g. `"weights.lora_r=8"`.
        log_to: trackers, by name or with settings, e.g. `{"kind": "wandb", "project": "mine"}`.
        quiet: no progress on stderr.

    Raises:
        ConfigError: anything that does not exist or does not fit. A run that fails raises nothing:
            it is recorded, in `records`, with status `failed`; one that lacks answers with `partial`.
    """
    from harness.results.remote import mirror
    from harness.runner import progress
    from harness.runner.tracking import watched
    from harness.workflows import run as workflow

    experiment = workflow.experiment(
        str(target),
        models=(model,) if isinstance(model, str) else tuple(model),
        recipes=tuple(recipes),
        seeds=seeds,
        limit=limit,
        labels=tuple(labels),
        settings=tuple(settings),
    )
    with (
        mirror.opened(results) as folder,
        watched(progress.choose(quiet=quiet), log_to, folder) as watching,
    ):
        done = workflow.run(
            experiment, folder, progress=watching, report=None if report is None else Path(report)
        )
    ids = [path.name for path in done.outcome.folders]
    decisions = _decisions(folder, ids, done.verdicts)
    return RunResult(
        records=tuple(record.to_json() for record in done.outcome.records),
        decisions=decisions,
        report=done.report,
        left_out=done.left_out,
    )


def import_logs(
    *files: str | Path,
    task: str | None = None,
    names: Sequence[str] = (),
    metric: str | None = None,
    margin: float | None = None,
    pair_by: Literal["content", "hash", "id"] = "content",
    beside: str | Path | None = None,
    results: str | Path = "results",
    report: str | Path | None = None,
) -> ImportResult:
    """`harness import` as a function: other tools' logs as runs, paired by what they show of each example.

    Args:
        files: logs of lm-eval, Inspect, promptfoo, OpenAI Evals, tables of scores, or folders of them.
        task: one name for the tasks of all files.
        names: what the systems are called, one for each file.
        metric: the score that decides; by default the first that all logs have.
        pair_by: what pairs an example of one log with one of another.
        beside: a task of the harness: answers are matched to its test examples and scored as it scores.

    Raises:
        ConfigError: a file that cannot be read, or logs of which no example can be paired.
    """
    from harness.results.remote import mirror
    from harness.workflows import import_logs as workflow

    options = workflow.ImportOptions(
        files=tuple(Path(file) for file in files),
        task=task,
        names=tuple(names),
        metric=metric,
        margin=margin,
        pair_by=pair_by,
        beside=None if beside is None else str(beside),
    )
    with mirror.opened(results) as folder:
        done = workflow.run(options, folder, report=None if report is None else Path(report))
    ids = [record.id for record in done.records]
    return ImportResult(
        records=tuple(record.to_json() for record in done.records),
        decisions=_decisions(folder, ids, done.verdicts),
        pairings=tuple(pairing.sentence for pairing in done.pairings),
        notes=done.notes,
        report=done.report,
    )


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


def _decisions(results: Path, ids: Sequence[str], verdicts: Sequence[Verdict]) -> tuple[Decision, ...]:
    questions = _asked(results, ids)
    return tuple(
        Decision(
            verdict=verdict,
            results=results,
            run_ids=tuple(i for i, asked in questions.items() if asked == (verdict.task, verdict.model)),
        )
        for verdict in verdicts
    )


def _asked(results: Path, ids: Sequence[str]) -> dict[str, tuple[str, str] | None]:
    """Run id → task and model that its verdict stands under; None for a run that cannot be read."""
    from harness.results.folder import ResultsFolder
    from harness.results.run_files import Head, read_head
    from harness.results.run_scores import places

    heads = {run_id: read_head(ResultsFolder(results).run(run_id).path) for run_id in ids}
    where = places([head.record for head in heads.values() if isinstance(head, Head)])
    return {
        run_id: where.get(head.record.id) if isinstance(head, Head) else None
        for run_id, head in heads.items()
    }


def _only(decisions: Sequence[Decision]) -> Decision:
    if len(decisions) == 1:
        return decisions[0]
    if not decisions:
        raise ConfigError("there is no decision", remedy="no run was finished")
    names = ", ".join(f"{d.verdict.task} · {d.verdict.model}" for d in decisions)
    raise ConfigError(f"there are {len(decisions)} decisions", remedy=f"choose among `decisions`: {names}")
