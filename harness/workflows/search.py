"""One `harness search`: plan → trials → best → confirmation on test → what is printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from harness.core import formatting
from harness.core import recipes as catalogue
from harness.core.errors import ConfigError, RunError, nearest
from harness.core.execution import Executor, Job
from harness.core.json_types import JsonValue
from harness.core.kinds import build
from harness.core.secrets import refuse_in_models
from harness.core.terminal import say
from harness.evidence.cost import Prices
from harness.evidence.cost import load as load_prices
from harness.results.records.trial import TrialRecord
from harness.results.trials import read as read_trials
from harness.runner import suitable
from harness.runner.cells import describe_task, limited
from harness.runner.database_sync import open_index
from harness.runner.experiment import DEFAULT_MODEL, with_overrides
from harness.runner.model_pool import fingerprint
from harness.search import objectives, samplers
from harness.search.duration_estimate import foreseen
from harness.search.study_config import Budget, StudyConfig
from harness.search.trial import Evaluate, evaluator
from harness.search.trial_accounting import Ledger
from harness.search.trial_loop import Loop, SearchWork, open_study, recorded

if TYPE_CHECKING:
    import optuna

WARM = 3
"""Trials of an earlier study that are tried first."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found: all rows of the study, the best of them (or the Pareto front)."""

    study: str
    rows: tuple[TrialRecord, ...]
    best: TrialRecord
    front: tuple[TrialRecord, ...]

    def time(self) -> dict[str, float]:
        """Seconds of all trials, the share of them that was training, and their optimiser steps.

        A trial whose run was there already, trained by an earlier command, took no time.
        """
        own = [row for row in self.rows if row.seconds and row.duplicate_of is None]
        here = [row for row in own if (row.seconds or 0.0) >= (row.train_seconds or 0.0)]
        total = sum(row.seconds or 0.0 for row in here)
        training = sum(row.train_seconds or 0.0 for row in here)
        share = training / total if total else 0.0
        steps = sum(row.train_steps or 0 for row in own)
        return {"trials": total, "training": training, "share_training": share, "steps": steps}


def make_plan(
    task: str,
    recipe: str,
    *,
    trials: int,
    results: Path,
    model: str | None = None,
    settings: Sequence[str] = (),
    only: Sequence[str] = (),
    overrides: Sequence[str] = (),
    objective: str = "score",
    constraints: Sequence[str] = (),
    pruner: str = "hyperband",
    seed: int = 0,
    limit: int | None = None,
    labels: int | None = None,
    hours: float | None = None,
    tokens: int | None = None,
    money: float | None = None,
    prices: Path | None = None,
    storage: str | None = None,
    name: str | None = None,
) -> StudyConfig:
    """Check everything that a user gave, before anything runs.

    Raises:
        ConfigError: whatever does not exist or does not fit, with the remedy.
    """
    from harness.tasks.load import load

    for value, option in (
        (trials, "--trials"),
        (limit, "--limit"),
        (labels, "--labels"),
        (tokens, "--tokens"),
    ):
        if value is not None and value < 1:
            raise ConfigError(f"{option} {value} must be at least 1")
    if hours is not None and hours <= 0:
        raise ConfigError(f"--hours {hours:g} must be above 0")
    priced = _priced(money, prices)
    loaded = load(task)
    if not loaded.splits.get("dev"):
        raise ConfigError(f"task '{loaded.name}' has no dev split to search on", remedy="add dev to its data")
    labels = None if labels is None else min(labels, len(loaded.splits["train"]))
    chosen = limited(with_overrides(catalogue.load(recipe), overrides), labels)
    spec = model or DEFAULT_MODEL
    refuse_in_models([chosen.config(), *(scorer.identity() for scorer in loaded.scorers)])
    suitable.require(loaded, spec, chosen)
    samplers.pruner(pruner)
    plan = StudyConfig(
        task=task,
        task_name=loaded.name,
        data_hash=loaded.data_hash,
        recipe=chosen.config(),
        model=spec,
        fingerprint=fingerprint(spec),
        settings=tuple(settings),
        only=tuple(only),
        objectives=objectives.objectives(objective),
        constraints=tuple(objectives.constraint(text) for text in constraints),
        pruner=pruner,
        seed=seed,
        limit=limit,
        labels=labels,
        budget=Budget(trials=trials, hours=hours, tokens=tokens, money=money, prices=priced),
        results=results,
        storage=storage,
        given_name=name,
        scoring=describe_task(loaded).raw,
    )
    plan.space()
    return plan


def _priced(money: float | None, prices: Path | None) -> Prices:
    """The user's prices; a budget of money needs some that a trial can cost."""
    rates = Prices() if prices is None else load_prices(prices)
    if money is None:
        return rates
    if money <= 0:
        raise ConfigError(f"--money {money:g} must be above 0")
    if not (rates.gpu_hour or rates.million_tokens_in or rates.million_tokens_out):
        raise ConfigError(
            "--money needs --prices with a price above 0",
            file=prices,
            remedy="give gpu_hour, or million_tokens_in and million_tokens_out",
        )
    return rates


def search(
    plan: StudyConfig,
    *,
    jobs: int = 1,
    warm_start: Sequence[str] = (),
    make: Callable[[StudyConfig], Evaluate] = evaluator,
    say: Callable[[str], None] = lambda text: say(text, error=True),
    confirm: Callable[[float], bool] = lambda _: True,
) -> SearchResult:
    """Run trials until the budget is spent. The first, of the defaults, is run alone: where nothing like
    it was ever run, it makes the rough estimate a better one.

    Args:
        confirm: asked with the seconds that the trials will take, before the first, and again where the
            first shows that they take longer; False stops.

    Raises:
        ConfigError: storage not reachable, or an unknown study to start from.
        RunError: every trial failed, with the cause of the first.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs} must be at least 1")
    open_index(plan.results)
    warm = [params for study in warm_start for params in _earlier(plan, study)]
    study = open_study(plan)
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(plan.space().defaults(), skip_if_exists=True)
        for params in warm:
            study.enqueue_trial(params, skip_if_exists=True)
    began = time.time()
    evaluate = make(plan)

    def tell(row: TrialRecord) -> None:
        say(_line(row))

    agreed = 0.0
    estimate = foreseen(plan, getattr(evaluate, "task", None)) if (left := _left(plan, study)) > 0 else None
    if estimate is not None:
        agreed = _announced(estimate.seconds * left / jobs, left, estimate.source, say, plan)
        if not confirm(agreed):
            raise RunError("not begun: the estimate was not agreed to")
    clock = time.monotonic()
    first = Loop(plan, evaluate, 0, began, tell).run(1)
    if (estimate is None or estimate.rough) and first and (left := _left(plan, study)) > 0:
        seconds = _announced((time.monotonic() - clock) * left / jobs, left, "by the first", say, plan)
        if seconds > agreed and not confirm(seconds):
            return collect(plan)
    if jobs == 1:
        _until_all_end(Loop(plan, evaluate, 0, began, tell), say)
    else:
        del evaluate
        work = SearchWork(plan=plan, began=began, evaluator=make)
        executor: Executor = build("executors", {"kind": "processes", "workers": jobs})
        for _ in executor.run(
            [Job(what=(n, None)) for n in range(jobs)], work, lambda _, row: tell(cast(TrialRecord, row))
        ):
            pass
    result = collect(plan)
    _index(plan.results)
    return result


def _until_all_end(loop: Loop, say: Callable[[str], None]) -> None:
    """Run trials, and wait for those that other processes run: the best may be among them. What a process
    that dies leaves behind is tried again here."""
    loop.run()
    if others := loop.elsewhere():
        say(f"waiting for trial {', '.join(str(t.number) for t in others)} of another process")
    while others:
        time.sleep(0.2)
        loop.run()
        others = loop.elsewhere()


def _left(plan: StudyConfig, study: optuna.Study) -> int:
    ledger = Ledger(study)
    ledger.refresh()
    return plan.budget.trials - ledger.paid()


def _announced(
    seconds: float, left: int, source: str, say: Callable[[str], None], plan: StudyConfig
) -> float:
    """The estimate in words; never more than the hours that were given."""
    if plan.budget.hours is not None:
        seconds = min(seconds, plan.budget.hours * 3600)
    trials = "1 trial" if left == 1 else f"{left} trials"
    say(f"about {formatting.seconds(seconds)} for {trials} {source}, if none is pruned")
    return seconds


def collect(plan: StudyConfig) -> SearchResult:
    """The study as its storage has it, which `trials.jsonl` is brought in step with.

    Raises:
        RunError: no trial was finished.
    """
    recorded(plan, open_study(plan))
    rows = tuple(row for row in read_trials(plan.results) if row.study == plan.study)
    done = [row for row in rows if row.state == "complete" and row.duplicate_of is None]
    feasible = [row for row in done if row.feasible]
    if not done:
        cause = next((row.error for row in rows if row.error), "no trial was run")
        raise RunError(f"all {len(rows)} trials failed; the first: {cause}")
    if not feasible:
        least = min(done, key=lambda row: sum(max(x, 0) for x in (row.constraints or {}).values()))
        raise RunError(
            f"no trial of {len(done)} keeps the constraints; trial {least.number} comes nearest, "
            f"above by {least.constraints} — loosen --constraint or widen --space"
        )
    sign = 1 if objectives.direction(plan.objectives[0]) == "maximize" else -1
    best = max(feasible, key=lambda row: (sign * (row.value or 0.0), -row.number))
    return SearchResult(study=plan.study, rows=rows, best=best, front=tuple(_front(feasible)))


def _front(rows: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Trials that no other is at least as good as in everything and better in something."""

    def points(row: TrialRecord) -> list[float]:
        pairs = zip((row.objectives or {}).values(), row.directions, strict=True)
        return [value if direction == "maximize" else -value for value, direction in pairs]

    def beaten(row: TrialRecord) -> bool:
        own = points(row)
        others = [points(other) for other in rows]
        return any(o != own and all(a >= b for a, b in zip(o, own, strict=True)) for o in others)

    return [row for row in rows if not beaten(row)]


def _earlier(plan: StudyConfig, study: str) -> list[dict[str, JsonValue]]:
    """The best configurations of an earlier study, as far as this space holds them."""
    rows = read_trials(plan.results)
    names = {row.study for row in rows}
    if study not in names:
        raise ConfigError(f"--warm-start: unknown study '{study}'", remedy=nearest(study, names))
    done = [row for row in rows if row.study == study and row.value is not None]
    sign = -1 if done and done[0].directions[0] == "maximize" else 1
    free = {dimension.name: dimension for dimension in plan.space().free}
    ranked = sorted(done, key=lambda row: sign * (row.value or 0.0))[:WARM]
    kept = [{n: v for n, v in r.params.items() if n in free and free[n].holds(v)} for r in ranked]
    return [params for params in kept if params]


def _index(results: Path) -> None:
    """Bring runs and trials into DuckDB; a locked index is no reason to lose a search."""
    from harness.results.database.ingest import sync

    try:
        sync(results)
    except ConfigError as error:
        say(f"warning: trials are not indexed yet: {error}", error=True)


def _line(row: TrialRecord) -> str:
    value = "" if row.value is None else f" {row.value:.4g}"
    reason = row.error or row.stopped
    why = f" ({reason})" if reason else ""
    return f"trial {row.number}: {row.state}{value} in {row.seconds or 0:.1f} s{why}"
