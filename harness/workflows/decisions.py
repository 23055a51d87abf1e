"""What the Python API returns: a run's results, a results folder, and decisions that a notebook shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.evidence.verdict_types import Verdict
from harness.report.notebook import Shown, shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

    from harness.results.billing import Bill
    from harness.runner.suitable import LeftOut


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The verdict over some runs of one task and model, and the sections of its report.

    A notebook displays it; `print` shows the headline. Scores and differences in `verdict` are in score units: 0.01
    is one point.
    """

    verdict: Verdict
    results: Path
    run_ids: tuple[str, ...]

    def __str__(self) -> str:
        return self.verdict.sentence

    __repr__ = __str__

    def section(self, *names: str) -> Shown:
        """Sections of the report for a notebook, e.g. `section("differences", "cost")`.

        Args:
            names: files of `harness/report/sections/`, without `.py`; none: the whole report.

        Raises:
            ConfigError: no section of that name.
        """
        return shown(self.results, self.run_ids, (self.verdict,), names)

    def _repr_html_(self) -> str:
        return self.section("verdict", "matrix", "differences", "cost")._repr_html_()


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The result of `harness.run`: the records of its runs, its decisions and the report's file."""

    records: tuple[JsonObject, ...]
    decisions: tuple[Decision, ...]
    report: Path
    bills: tuple[Bill, ...] = ()
    """What each task and model costs, if `prices` were given."""
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
class ImportDecisions:
    """The result of `harness.import_logs`: its runs, how their examples were paired, and the decision per task."""

    records: tuple[JsonObject, ...]
    decisions: tuple[Decision, ...]
    pairings: tuple[str, ...]
    """One sentence per pair of systems: how many of how many examples, by what evidence, and why not the rest."""
    notes: tuple[str, ...]
    report: Path | None
    """None if there was nothing to report on."""

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
        """A query's result as a DuckDB relation in memory.

        Args:
            query: one SELECT in DuckDB's SQL.

        Returns:
            The relation: `.df()` converts it to pandas, `.arrow()` to Arrow, `.pl()` to polars.

        Raises:
            ConfigError: no such folder, or a query that DuckDB rejects.
        """
        from harness.results.database.ingest import sync
        from harness.results.database.sql import relation

        sync(self.path)
        return relation(self.path, query)

    def table(self, name: str) -> DuckDBPyRelation:
        """A whole table or view, e.g. `runs`, `samples`, `scores`, `leaderboard`.

        Raises:
            ConfigError: no such table.
        """
        return self.sql(f'FROM "{name}"')

    def decisions(self, *runs: str, task: str | None = None) -> tuple[Decision, ...]:
        """A decision per task and model.

        Args:
            runs: ids, or unique prefixes of them; none: the latest comparable runs.
            task: only this task.

        Raises:
            ConfigError: a name that matches no run or several, an unknown task, or no runs.
        """
        from harness.report.run_selection import choose
        from harness.results.database.ingest import sync
        from harness.results.folder import ResultsFolder
        from harness.results.run_scores import verdicts

        sync(self.path)
        ids = choose(self.path, runs, task).runs
        return decisions_of(
            self.path, ids, verdicts([ResultsFolder(self.path).run(run_id).path for run_id in ids])
        )

    def decision(self, *runs: str, task: str | None = None) -> Decision:
        """The only decision over these runs; arguments as for `decisions`.

        Raises:
            ConfigError: as for `decisions`, or there are several tasks or models.
        """
        return _only(self.decisions(*runs, task=task))


def decisions_of(results: Path, ids: Sequence[str], verdicts: Sequence[Verdict]) -> tuple[Decision, ...]:
    """Each verdict with its runs."""
    from harness.results.folder import ResultsFolder
    from harness.results.run_files import read_head
    from harness.results.run_labels import members

    heads = [read_head(ResultsFolder(results).run(run_id).path) for run_id in ids]
    groups = members([head.record for head in heads if not isinstance(head, str)])
    return tuple(
        Decision(
            verdict=verdict,
            results=results,
            run_ids=tuple(record.id for record in groups.get((verdict.task, verdict.model), ())),
        )
        for verdict in verdicts
    )


def _only(decisions: Sequence[Decision]) -> Decision:
    if len(decisions) == 1:
        return decisions[0]
    if not decisions:
        raise ConfigError("there is no decision", remedy="no run was finished")
    names = ", ".join(f"{d.verdict.task} · {d.verdict.model}" for d in decisions)
    raise ConfigError(f"there are {len(decisions)} decisions", remedy=f"choose among `decisions`: {names}")
