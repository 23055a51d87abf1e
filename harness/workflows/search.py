"""One `harness search`: plan → trials → best → confirmation on test → what is printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from harness.core import formatting
from harness.core import recipes as catalogue
from harness.core.errors import ConfigError, RunError, nearest
from harness.core.execution import Executor, Job
from harness.core.json_types import JsonValue
from harness.core.kinds import build
from harness.core.names import check as check_name
from harness.core.options import names, path, positive, repeated
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
from harness.search.study_result import SearchResult, collect
from harness.search.trial import Evaluate, evaluator
from harness.search.trial_accounting import Ledger
from harness.search.trial_loop import Loop, SearchWork, open_study
from harness.workflows.options.search import SearchOptions

if TYPE_CHECKING:
    import optuna

WARM = 3
"""Trials of an earlier study that are tried first."""


def make_plan(options: SearchOptions) -> StudyConfig:
    """Check everything that a user gave, before anything runs.

    Raises:
        ConfigError: whatever does not exist or does not fit, with the remedy.
    """
    from harness.tasks.load import load

    for value, option in (
        (options.trials, "--trials"),
        (options.limit, "--limit"),
        (options.labels, "--labels"),
        (options.tokens, "--tokens"),
    ):
        if value is not None:
            positive(value, option)
    if options.hours is not None and options.hours <= 0:
        raise ConfigError(f"--hours {options.hours:g} must be above 0")
    priced = _priced(options.money, path(options.prices))
    task = load(str(options.task))
    if not task.splits.get("dev"):
        raise ConfigError(f"task '{task.name}' has no dev split to search on", remedy="add dev to its data")
    labels = None if options.labels is None else min(options.labels, len(task.splits["train"]))
    start = with_overrides(catalogue.load(options.recipe), repeated(options.settings))
    recipe = limited(start, labels)
    model = options.model or DEFAULT_MODEL
    refuse_in_models([recipe.config(), *(scorer.identity() for scorer in task.scorers)])
    suitable.require(task, model, recipe)
    samplers.pruner(options.pruner)
    plan = StudyConfig(
        task=str(options.task),
        task_name=task.name,
        data_hash=task.data_hash,
        recipe=recipe.config(),
        model=model,
        fingerprint=fingerprint(model),
        settings=repeated(options.space),
        only=names(options.only),
        objectives=objectives.objectives(options.objective),
        constraints=tuple(objectives.constraint(text) for text in repeated(options.constraint)),
        pruner=options.pruner,
        seed=options.seed,
        limit=options.limit,
        labels=labels,
        budget=Budget(
            trials=options.trials,
            hours=options.hours,
            tokens=options.tokens,
            money=options.money,
            prices=priced,
        ),
        results=options.results_path,
        storage=options.storage,
        given_name=options.study and check_name(options.study, "study"),
        scoring=describe_task(task).raw,
    )
    plan.space()
    return plan


def _priced(money: float | None, prices: Path | None) -> Prices:
    """The user's prices; a budget of money needs a price for something that a trial uses."""
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
    """Run trials until the budget is spent. The first, with the defaults, is run alone: if nothing like
    it was ever run, it improves the rough estimate.

    Args:
        confirm: asked with the seconds that the trials will take, before the first, and again if the
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
            raise RunError("cancelled: the estimate was not confirmed")
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
    """Run trials, and wait for those that other processes run: the best may be among them. Trials left by
    a process that died are tried again here."""
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
    """Bring runs and trials into DuckDB; a locked index must not lose a search."""
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
