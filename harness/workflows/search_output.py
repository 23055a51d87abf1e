"""What a search leaves behind and prints."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from harness.runner.progress import choose
from harness.search.study_config import StudyConfig
from harness.workflows import confirm_on_test
from harness.workflows.search import SearchResult

LONG = 3600.0
"""Seconds above which a person at a terminal is asked."""


def to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ask(seconds: float) -> bool:
    """Whether to go on; never asked when nobody is at the terminal."""
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
) -> dict[str, Any]:
    """Write the best recipe, compare it on test, and return the whole answer."""
    file = save_as or Path("baselines") / f"{plan.recipe['name']}_{plan.task_name}.yaml"
    file = file if file.suffix in (".yaml", ".yml") else Path("baselines") / f"{file}.yaml"
    best = plan.space().apply(result.best["params"], name=file.stem)
    about = f"Found by harness search: study {plan.study}, trial {result.best['number']} of {len(result.rows)}"
    confirm_on_test.write_recipe(best, file, about)
    final = None
    if seeds > 0:
        with choose(quiet=quiet) as progress:
            final = confirm_on_test.confirm(
                plan, result.best, name=file.stem, seeds=seeds, limit=limit, progress=progress, report=report
            )
    return {
        "study": plan.study,
        "best": result.best | {"recipe_file": str(file)},
        "pareto_front": list(result.front) if len(plan.objectives) > 1 else None,
        "trials": list(result.rows),
        "time": result.time(),
        "final": final,
        "exit_code": 3 if final and final["failed"] else 0,
    }


def show(done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(done, ensure_ascii=False))
        return
    best, final = done["best"], done["final"]
    states = Counter(row["state"] for row in done["trials"])
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    print(
        f"study {done['study']}: {len(done['trials'])} trials ({counts}), {done['time']['steps']} training steps"
    )
    print(f"best: trial {best['number']}, {best['value']:.4g} on dev → {best['recipe_file']}")
    for name, value in best["values"].items():
        print(f"  {name}: {value}")
    print(f"share of time in training: {done['time']['share_training']:.0%}")
    if final:
        for row in final["test"]:
            print(f"test: {row['recipe']} {row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})")
        if final["winners_curse"]:
            print(f"winner's curse: {final['winners_curse']}")
        print(f"report: {final['report']}")
