"""After the search: the best recipe and the defaults on k seeds, scored once on test, side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.evidence.verdict import Verdict
from harness.results import run_labels, run_scores
from harness.results.folder import ResultsFolder
from harness.results.records.trial import TrialRecord
from harness.runner.experiment import Experiment
from harness.runner.progress import Progress
from harness.search.study_config import StudyConfig
from harness.workflows import run


@dataclass(frozen=True, kw_only=True)
class DevScore:
    """A mean on dev over `n` examples with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class TestScore:
    """A recipe's mean on test with its interval."""

    __test__ = False
    recipe: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """The best and the default recipe on test, and what dev had promised for the best."""

    runs: tuple[str, ...]
    test: tuple[TestScore, ...]
    dev: DevScore | None
    winners_curse: str | None
    verdicts: tuple[Verdict, ...]
    report: str
    failed: int
    """Runs that failed or lack answers."""

    def to_json(self) -> dict[str, object]:
        return {
            "runs": list(self.runs),
            "test": [asdict(score) for score in self.test],
            "dev": None if self.dev is None else asdict(self.dev),
            "winners_curse": self.winners_curse,
            "verdict": [verdict.to_json() for verdict in self.verdicts],
            "report": self.report,
            "failed": self.failed,
        }


def confirm(
    plan: StudyConfig,
    best: TrialRecord,
    *,
    name: str,
    seeds: int,
    limit: int | None,
    progress: Progress,
    report: Path | None,
) -> Confirmation:
    """Train the best and the default on `seeds` seeds, score both on test, and report what dev had
    promised."""
    default = replace(plan.default(), name=str(plan.recipe["name"]))
    name = f"{name}_found" if name == default.name else name
    tuned = plan.space().apply(best.params, name=name)
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
    test = tuple(
        TestScore(recipe=one.recipe, mean=one.mean, low=one.low, high=one.high)
        for verdict in done.verdicts
        for one in verdict.summaries
    )
    records = done.outcome.records
    known = run_labels.labels(records)
    names = {known[record.id] for record in records if record.recipe.name == recipes[-1].name}
    chosen = next((score for score in test if score.recipe in names), None)
    return Confirmation(
        runs=tuple(record.id for record in records),
        test=test,
        dev=dev,
        winners_curse=_curse(dev, chosen),
        verdicts=done.verdicts,
        report=str(done.report),
        failed=len(done.outcome.incomplete),
    )


def dev_score(results: Path, best: TrialRecord) -> DevScore | None:
    """The best trial's mean on dev with its 95 % interval, which ignores that it was chosen as the best."""
    import numpy as np

    from harness.evidence.stats import clusters, seeds

    folder = ResultsFolder(results).run(str(best.run_id))
    record = folder.finished()
    if record is None:
        return None
    scores = run_scores.scores(record, folder.path)
    kept = [(v, g) for v, g in zip(scores.values, scores.groups, strict=True) if v is not None]
    if not kept:
        return None
    mean = seeds.mean(np.array([[v for v, _ in kept]]), clusters.codes([g for _, g in kept]))
    low, high = mean.interval()
    return DevScore(mean=mean.mean, low=low, high=high, n=len(kept))


def _curse(dev: DevScore | None, test: TestScore | None) -> str | None:
    if dev is None or test is None:
        return None
    drop = 100 * (dev.mean - test.mean)
    step = f"{abs(drop):.1f} points {'lower, as the best of several dev scores tends to be' if drop > 0 else 'higher'}"
    step = "the same" if abs(drop) < 0.05 else step
    return (
        f"chosen for its dev score of {100 * dev.mean:.1f} ({100 * dev.low:.1f} to "
        f"{100 * dev.high:.1f}, n={dev.n}); on test it has {100 * test.mean:.1f} "
        f"({100 * test.low:.1f} to {100 * test.high:.1f}), {step}"
    )
