"""`harness run --tune`: every arm searched on dev with the same budget; the champions become the experiment."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.errors import RunError
from harness.core.execution import Executor
from harness.core.recipes import Recipe
from harness.core.secrets import hidden
from harness.core.terminal import say
from harness.evidence.random_model import is_random
from harness.report import files
from harness.results import tunings
from harness.results.records.run import RunRecord
from harness.results.records.trial import TrialRecord
from harness.results.records.tuning import ArmRecord, TuningRecord
from harness.runner.cells import plan as cells_of
from harness.runner.database_sync import index
from harness.runner.experiment import Experiment
from harness.runner.progress import Progress
from harness.runner.runner import run as run_cells
from harness.runner.suitable import LeftOut
from harness.search.recipe_file import write_beside
from harness.search.tuning import arms, outcome
from harness.search.tuning.arms import Arm
from harness.search.tuning.budget import ArmBudget, spoken
from harness.search.tuning.search_arm import ArmResult, ArmSearch, Make, Spent, evaluator
from harness.workflows.tune_plan import Plan, planned


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The champions as an experiment, what was found, and the default starts that do not fit."""

    experiment: Experiment
    record: TuningRecord
    left_out: tuple[LeftOut, ...] = ()


def tuned(
    experiment: Experiment,
    results: Path,
    *,
    progress: Progress,
    executor: Executor | None = None,
    quiet: bool = False,
    make: Make = evaluator,
) -> Tuned:
    """Search every arm, ask test with the defaults and the tuned recipes, and keep what was found.

    Raises:
        ConfigError: anything that does not fit, before anything is spent.
        RunError: no arm has a champion.
    """
    plan = planned(experiment, results)
    files.check(recipe_file("tuned"), "run the command in another folder: tuned recipes are written there")
    lines = _Lines(budget=plan.budget, quiet=quiet)
    for note in (*plan.notes, *(one.sentence for one in plan.left_out)):
        lines.say(note)
    names = ", ".join(arm.name for arm in plan.arms)
    lines.say(f"tuning {names} on dev, {plan.budget.words} each; test is sealed until the end")
    done: dict[str, ArmResult] = {}
    faults: dict[str, ArmRecord] = {}
    for arm in plan.arms:
        _search(plan, arm, lines, make, done, faults)
    if experiment.settings.together:
        for arm in _composed(plan, done):
            _search(plan, arm, lines, make, done, faults)
    if not done:
        raise RunError(f"no arm has a champion: {next(iter(faults.values())).error}")
    return _met(plan, done, faults, progress=progress, executor=executor)


def _search(
    plan: Plan,
    arm: Arm,
    lines: _Lines,
    make: Make,
    done: dict[str, ArmResult],
    faults: dict[str, ArmRecord],
) -> None:
    """Search one arm; a failure is reported, and the other arms continue."""
    try:
        done[arm.name] = ArmSearch(
            arm=arm,
            plans=arms.studies(arm, plan.setting, plan.budget),
            budget=plan.budget,
            task=plan.task,
            workbench=plan.workbench,
            proposer=plan.proposer,
            notify=lines.trial,
            make=make,
        ).run()
    except RunError as error:
        start = arm.starts[0].name
        faults[arm.name] = ArmRecord(arm=arm.name, family=arm.family, start=start, error=str(error))
        lines.say(f"{arm.name}: {error}")


def _composed(plan: Plan, done: Mapping[str, ArmResult]) -> list[Arm]:
    prompt, finetune = done.get("prompt"), done.get("finetune")
    if prompt is None or finetune is None:
        return []  # its search failed, which was reported
    return arms.composed(prompt.champion, finetune.champion, finetune.best.run_id, plan.setting.results)


@dataclass(frozen=True)
class _Lines:
    """What is printed on the way."""

    budget: ArmBudget
    quiet: bool
    best: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        if not self.quiet:
            say(text, error=True)

    def trial(self, arm: str, row: TrialRecord, spent: Spent) -> None:
        if row.value is not None:
            self.best[arm] = max(self.best.get(arm, 0.0), row.value)
        value = "" if row.value is None else f" {row.value:.3f}"
        reason = row.error or row.stopped
        best = f"best {self.best[arm]:.3f}, " if arm in self.best else ""
        currency, money = self.budget.currency, self.budget.prices.currency
        used = spoken(spent.of(currency), currency, money)
        self.say(
            f"{arm}: trial {row.number} {row.state}{value}{f' ({reason})' if reason else ''} · {best}"
            f"{used} of {self.budget.words}"
        )


def _met(
    plan: Plan,
    done: Mapping[str, ArmResult],
    faults: Mapping[str, ArmRecord],
    *,
    progress: Progress,
    executor: Executor | None,
) -> Tuned:
    """Defaults and tuned recipes asked once on test; each family's champion on dev goes on."""
    results = plan.setting.results
    winners: dict[str, ArmResult] = {}
    for result in done.values():
        best = winners.get(result.arm.family)
        if best is None or (result.best.value or 0.0) > (best.best.value or 0.0):
            winners[result.arm.family] = result
    champions = {result.arm.name for result in winners.values()}
    pairs = {name: _written(plan, result) for name, result in done.items()}
    recipes = tuple({recipe.name: recipe for pair in pairs.values() for recipe in pair}.values())
    experiment = replace(plan.experiment, recipes=recipes, defaults=False, invocation=None)
    out = run_cells(
        cells_of(experiment),
        results,
        progress=progress,
        executor=executor,
        on_finished=lambda folder: index(results, folder),
    )
    runs = list(zip(out.records, out.folders, strict=True))
    records = [
        _with_test(plan, result, pairs[name], runs, is_champion=name in champions)
        for name, result in done.items()
    ]
    record = tunings.write(results, _record(plan, [*records, *faults.values()]))
    chosen = tuple(pairs[name][1] for name in done if name in champions)
    return Tuned(experiment=_champions(plan.experiment, chosen), record=record, left_out=plan.left_out)


def _written(plan: Plan, result: ArmResult) -> tuple[Recipe, Recipe]:
    """The default and the tuned recipe, which is written to a file unless it is the default."""
    if result.champion.identity() == result.default.identity():
        return result.default, result.default
    file = recipe_file(f"tuned_{result.arm.name}_{plan.task.name}")
    about = (
        f"Found by harness run --tune {plan.experiment.settings.tune}: study {result.study}, "
        f"trial {result.best.number} of {len(result.rows)}"
    )
    file = write_beside(result.champion, file, about, result.study)
    return result.default, replace(result.champion, name=file.stem, about=about)


def recipe_file(name: str) -> Path:
    """Where a tuned recipe is written."""
    return Path("baselines") / f"{name}.yaml"


def _with_test(
    plan: Plan,
    result: ArmResult,
    pair: tuple[Recipe, Recipe],
    runs: Sequence[tuple[RunRecord, Path]],
    *,
    is_champion: bool,
) -> ArmRecord:
    answered = [(record, path) for record, path in runs if record.has_answers]
    sides = [[(r, path) for r, path in answered if r.recipe.name == one.name] for one in pair]
    record = outcome.of_arm(result, plan.budget, plan.task, plan.setting.results)
    test = outcome.on_test(sides[0], sides[1])
    is_default = pair[0] is pair[1]
    if is_default:
        record, test = replace(record, dev=replace(record.dev, gain=None)), replace(test, gain=None)
    return replace(
        record,
        recipe=pair[1].name,
        recipe_file="" if is_default else str(recipe_file(pair[1].name)),
        test=test,
        overfit=None if is_default else outcome.overfit(record.dev.gain, test.gain),
        champion=is_champion,
        runs=tuple(dict.fromkeys(r.id for side in sides for r, _ in side)),
    )


def _record(plan: Plan, records: Sequence[ArmRecord]) -> dict[str, object]:
    budget = plan.budget
    return {
        "name": plan.name,
        "task": plan.task.name,
        "model": hidden(plan.setting.model),
        "budget": budget.amount,
        "currency": budget.currency,
        "money": budget.prices.currency,
        "proposer": None if plan.proposer is None else plan.proposer.spec,
        "notes": list(plan.notes),
        "arms": [outcome.to_json(record) for record in records],
        "finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _champions(experiment: Experiment, chosen: tuple[Recipe, ...]) -> Experiment:
    """The experiment whose verdict compares the champions alone."""
    names = tuple(recipe.name for recipe in chosen)
    invocation = experiment.invocation
    if invocation is not None and not is_random(experiment.models[0]):
        # A command that is pasted runs the files that were written; `--set` is in them.
        invocation = replace(invocation, target=experiment.tasks[0], recipes=names, known=names, settings=())
    return replace(experiment, recipes=chosen, defaults=False, invocation=invocation)
