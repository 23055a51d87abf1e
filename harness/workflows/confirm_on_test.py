"""After the search: the best recipe and the defaults on k seeds, scored once on test, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from harness.core.recipes import Recipe
from harness.results import run_scores
from harness.results.folder import RunFolder
from harness.runner.experiment import Experiment
from harness.runner.progress import Progress
from harness.search.study_config import StudyConfig
from harness.workflows import run


def write_recipe(recipe: Recipe, file: Path, about: str) -> Path:
    """The recipe as a YAML file that `--recipes` takes."""
    config = {k: v for k, v in recipe.config().items() if k != "name"} | {"about": about}
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True, width=100)
    file.write_text(text, encoding="utf-8")
    return file


def confirm(
    plan: StudyConfig,
    best: Mapping[str, Any],
    *,
    name: str,
    seeds: int,
    limit: int | None,
    progress: Progress,
    report: Path | None,
) -> dict[str, Any]:
    """Train the best and the default on `seeds` seeds, score both on test, and say what dev had promised."""
    default = replace(plan.default(), name=str(plan.recipe["name"]))
    name = f"{name}_found" if name == default.name else name
    tuned = plan.space().apply(best["params"], name=name)
    recipes = (default,) if tuned.identity() == default.identity() else (default, tuned)
    experiment = Experiment(
        name=plan.study,
        tasks=(plan.task,),
        models=(plan.model,),
        recipes=recipes,
        seeds=seeds,
        limit=limit,
        labels=() if plan.labels is None else (plan.labels,),
    )
    done = run.run(experiment, plan.results, progress=progress, report=report)
    dev = dev_score(plan.results, best)
    test = [
        {"recipe": s.recipe, "mean": s.mean, "low": s.low, "high": s.high}
        for verdict in done.verdicts
        for s in verdict.summaries
    ]
    records = done.outcome.records
    known = run_scores.labels(records)
    names = {known[r["id"]] for r in records if r["recipe"]["name"] == recipes[-1].name}
    chosen = next((row for row in test if row["recipe"] in names), None)
    return {
        "runs": [record["id"] for record in done.outcome.records],
        "test": test,
        "dev": dev,
        "winners_curse": _curse(dev, chosen),
        "verdict": [verdict.to_json() for verdict in done.verdicts],
        "report": str(done.report),
        "failed": len(done.outcome.incomplete),
    }


def dev_score(results: Path, best: Mapping[str, Any]) -> dict[str, Any] | None:
    """The best trial's mean on dev with its 95 % interval, which does not know that it was chosen."""
    import numpy as np

    from harness.evidence.stats import clusters, seeds

    folder = RunFolder(results / "runs" / str(best["run_id"]))
    record = folder.finished()
    if record is None:
        return None
    scores = run_scores.scores(record, folder.path)
    kept = [(v, g) for v, g in zip(scores.values, scores.groups, strict=True) if v is not None]
    if not kept:
        return None
    mean = seeds.mean(np.array([[v for v, _ in kept]]), clusters.codes([g for _, g in kept]))
    low, high = mean.interval()
    return {"mean": mean.mean, "low": low, "high": high, "n": len(kept)}


def _curse(dev: Mapping[str, Any] | None, test: Mapping[str, Any] | None) -> str | None:
    if dev is None or test is None:
        return None
    drop = 100 * (dev["mean"] - test["mean"])
    word = "below" if drop > 0 else "above"
    return (
        f"chosen for its dev score of {100 * dev['mean']:.1f} ({100 * dev['low']:.1f} to "
        f"{100 * dev['high']:.1f}, n={dev['n']}); on test it has {100 * test['mean']:.1f} "
        f"({100 * test['low']:.1f} to {100 * test['high']:.1f}), {abs(drop):.1f} points {word}: "
        "a score that was chosen for being the best is too high by chance"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
