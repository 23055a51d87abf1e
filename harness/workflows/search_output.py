"""What a search leaves behind and prints."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.core.formatting import counted
from harness.core.options import path, repeated
from harness.core.terminal import say, say_json
from harness.report import files
from harness.runner.progress_choice import choose
from harness.search.recipe_file import write_recipe
from harness.search.study_config import StudyConfig
from harness.search.study_result import SearchResult
from harness.workflows import confirm_on_test
from harness.workflows.confirm_on_test import Confirmation
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search

LONG = 3600.0
"""Seconds above which a person at a terminal is asked."""


@dataclass(frozen=True, kw_only=True)
class SearchSummary:
    """A search, the file of the recipe that it chose, and that recipe's result on test (None: not asked
    for)."""

    result: SearchResult
    recipe_file: Path
    several: bool
    """Whether there were several objectives."""
    final: Confirmation | None

    @property
    def exit_code(self) -> int:
        return 3 if self.final and self.final.failed else 0

    def to_json(self) -> dict[str, object]:
        return {
            "study": self.result.study,
            "best": {**self.result.best.to_json(), "recipe_file": str(self.recipe_file)},
            "pareto_front": [row.to_json() for row in self.result.front] if self.several else None,
            "trials": [row.to_json() for row in self.result.rows],
            "time": self.result.time(),
            "final": None if self.final is None else self.final.to_json(),
            "exit_code": self.exit_code,
        }


def from_options(options: SearchOptions) -> SearchSummary:
    """All that `harness search` does.

    Raises:
        ConfigError: anything that does not exist or does not fit.
        RunError: every trial failed, or a person at the terminal did not want to wait.
    """
    plan = make_plan(options)
    files.check(_recipe_file(plan, path(options.save_as)), "name another file with --save-as")
    files.check(path(options.report) or files.named(plan.study))
    result = search(
        plan,
        jobs=options.jobs,
        warm_start=repeated(options.warm_start),
        say=(lambda _: None) if options.quiet else to_stderr,
        confirm=(lambda _: True) if options.yes else ask,
    )
    return finish(
        plan,
        result,
        seeds=options.seeds,
        limit=options.test_limit,
        save_as=path(options.save_as),
        report=path(options.report),
        quiet=options.quiet,
    )


def to_stderr(text: str) -> None:
    say(text, error=True)


def ask(seconds: float) -> bool:
    """Whether to go on; never asked without an interactive terminal."""
    import typer

    if seconds < LONG or not sys.stdin.isatty():
        return True
    return bool(typer.confirm(f"Go on for about {seconds / 3600:.1f} hours?", err=True))


def finish(
    plan: StudyConfig,
    result: SearchResult,
    *,
    seeds: int,
    limit: int | None,
    save_as: Path | None,
    report: Path | None,
    quiet: bool,
) -> SearchSummary:
    """Write the best recipe, compare it on test, and return the whole answer."""
    file = _recipe_file(plan, save_as)
    best = plan.space().apply(result.best.params, name=file.stem)
    about = f"Found by harness search: study {plan.study}, trial {result.best.number} of {len(result.rows)}"
    write_recipe(best, file, about)
    final = None
    if seeds > 0:
        with choose(quiet=quiet) as progress:
            final = confirm_on_test.confirm(
                plan, result.best, name=file.stem, seeds=seeds, limit=limit, progress=progress, report=report
            )
    return SearchSummary(result=result, recipe_file=file, several=len(plan.objectives) > 1, final=final)


def _recipe_file(plan: StudyConfig, save_as: Path | None) -> Path:
    """Where the best recipe is written."""
    file = save_as or Path("baselines") / f"{plan.recipe['name']}_{plan.task_name}.yaml"
    return file if file.suffix in (".yaml", ".yml") else Path("baselines") / f"{file}.yaml"


def show(done: SearchSummary, *, as_json: bool) -> None:
    if as_json:
        say_json(done.to_json())
        return
    best, final, trials, time = done.result.best, done.final, done.result.rows, done.result.time()
    states = Counter(row.state for row in trials)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    say(
        f"study {done.result.study}: {counted(len(trials), 'trial')} ({counts}), {counted(round(time['steps']), 'training step')}"
    )
    say(f"best: trial {best.number}, {best.value:.4g} on dev → {done.recipe_file}")
    for name, value in best.values.items():
        say(f"  {name}: {value}")
    say(f"share of time in training: {time['share_training']:.0%}")
    if final:
        for score in final.test:
            say(f"test: {score.recipe} {score.mean:.3f} ({score.low:.3f} to {score.high:.3f})")
        if final.winners_curse:
            say(f"dev against test: {final.winners_curse}")
        say(f"report: {final.report}")
