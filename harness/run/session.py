"""One `harness run`: experiment → runs → DuckDB → verdict → report → what is printed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core import recipes as catalogue
from harness.core.errors import ConfigError
from harness.core.execution import Executor
from harness.core.recipes import Recipe
from harness.decide.command import Invocation
from harness.decide.cost import load as load_prices
from harness.decide.verdict import Verdict
from harness.run import constants, evidence
from harness.run.cells import plan
from harness.run.experiment import DEFAULT_MODEL, DEFAULT_RECIPES, Experiment, from_file, with_overrides
from harness.run.index import index, open_index
from harness.run.money import Bill, bills
from harness.run.progress import Progress, outcome
from harness.run.runner import Outcome
from harness.run.runner import run as run_cells
from harness.storage import mirror


@dataclass(frozen=True, kw_only=True)
class Session:
    """What one command did: the runs, the verdicts (one per task and model) and the report."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    bills: tuple[Bill, ...]
    report: Path

    @property
    def exit_code(self) -> int:
        return 3 if self.outcome.failures else 0

    def to_json(self) -> dict[str, Any]:
        """`{runs, verdict, verdicts, report}`; `verdict` is the first task's and model's."""
        verdicts = [verdict.to_json() for verdict in self.verdicts]
        return {
            "runs": list(self.outcome.records),
            "verdict": verdicts[0] if verdicts else None,
            "verdicts": verdicts,
            "costs": [bill.to_json() for bill in self.bills],
            "report": str(self.report),
            "exit_code": self.exit_code,
        }


def experiment(
    target: str,
    *,
    models: tuple[str, ...] = (),
    recipes: tuple[str, ...] = (),
    seeds: int | None = None,
    limit: int | None = None,
    labels: tuple[int, ...] = (),
    settings: tuple[str, ...] = (),
) -> Experiment:
    """The experiment that a command line describes; what it names overrides the file's.

    Raises:
        ConfigError: anything that does not exist or does not fit.
    """
    path = Path(target)
    if path.suffix in (".yaml", ".yml") and path.name not in ("task.yaml", "task.yml"):
        base = from_file(path)
    else:
        defaults = tuple(catalogue.load(name) for name in (recipes or DEFAULT_RECIPES))
        base = Experiment(name=path.stem, tasks=(target,), models=(DEFAULT_MODEL,), recipes=defaults)
    chosen = tuple(catalogue.load(name) for name in recipes) or base.recipes
    return replace(
        base,
        invocation=Invocation(
            target=target,
            task=target,
            models=models,
            recipes=recipes,
            settings=settings,
            seeds=seeds,
            limit=limit,
            labels=labels,
            known=tuple(recipe.name for recipe in chosen if _shipped(recipe)),
        ),
        models=models or base.models,
        recipes=tuple(with_overrides(recipe, settings) for recipe in chosen),
        seeds=_positive(seeds, "--seeds") or base.seeds,
        limit=_positive(limit, "--limit") or base.limit,
        labels=labels or base.labels,
    )


def _shipped(recipe: Recipe) -> bool:
    """Whether the recipe's name alone leads to it."""
    return recipe.name in catalogue.available() and catalogue.load(recipe.name).config() == recipe.config()


def numbers(text: str | None, option: str) -> tuple[int, ...]:
    """Comma-separated positive whole numbers."""
    try:
        return tuple(_positive(int(part), option) or 0 for part in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(
            f"{option} {text!r} is not a list of whole numbers", remedy="e.g. 25,50,100"
        ) from None


def _positive(value: int | None, option: str) -> int | None:
    if value is not None and value < 1:
        raise ConfigError(f"{option} {value} must be at least 1")
    return value


def run(
    experiment: Experiment,
    results: Path,
    *,
    progress: Progress,
    cache: bool = True,
    report: Path | None = None,
    prices: Path | None = None,
    executor: Executor | None = None,
) -> Session:
    """Run every cell, keep DuckDB in step, decide, and write the report."""
    priced = None if prices is None else load_prices(prices)
    cells = plan(experiment)
    open_index(results)
    outcome = run_cells(
        cells,
        results,
        progress=progress,
        cache=cache,
        on_finished=lambda folder: index(results, folder),
        executor=executor,
    )
    constants.keep(results, (cell.task for cell in cells))
    typed = {
        (cell.task.name, cell.model): replace(cell.invocation, results=mirror.address(results))
        for cell in cells
        if cell.invocation is not None
    }
    verdicts = tuple(evidence.verdicts(outcome.folders, typed))
    out = report or Path("reports") / f"{experiment.name}.html"
    costs = () if priced is None else tuple(bills(outcome.folders, priced))
    from harness.report.build import build

    ids = [folder.name for folder in outcome.folders]
    build(results, out, run_ids=ids, verdicts=verdicts, title=experiment.name, bills=costs)
    mirror.keep(results, out)
    return Session(outcome=outcome, verdicts=verdicts, bills=costs, report=out)


def show(session: Session, *, as_json: bool) -> None:
    """Print the verdict; the report's path comes last."""
    if as_json:
        print(json.dumps(session.to_json(), ensure_ascii=False))
        return
    from harness.report.terminal import print_verdict

    for record in session.outcome.failures:
        print(f"{record['id']}: {outcome(record)}", file=sys.stderr)
    for verdict in session.verdicts:
        print_verdict(verdict)
    for bill in session.bills:
        for found in bill.break_evens:
            print(f"  {found.sentence}")
    print(f"report: {session.report}")
