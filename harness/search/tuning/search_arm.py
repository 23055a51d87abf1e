"""One arm's search: its studies, one after the other, until the arm's budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.core.errors import RunError
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.results.records.trial import TrialRecord
from harness.results.trials import read as read_trials
from harness.search import trial_accounting
from harness.search.shared_base_pool import SearchWorkbench
from harness.search.study_config import Budget
from harness.search.study_result import collect
from harness.search.trial import Evaluate, RunTrial
from harness.search.trial_loop import Loop, open_study
from harness.search.tuning import prompts
from harness.search.tuning.arms import Arm, ArmStudy, is_prompt_search
from harness.search.tuning.budget import ArmBudget, Currency
from harness.search.tuning.candidates import Candidates
from harness.search.tuning.proposer import Proposer
from harness.search.tuning.retrieval import RecallFirst

Make = Callable[[ArmStudy, Task, SearchWorkbench], Evaluate]


def evaluator(plan: ArmStudy, task: Task, workbench: SearchWorkbench) -> Evaluate:
    """Runs on dev; a retrieval configuration has to pass the recall check first."""
    return RunTrial(plan=plan, task=task, workbench=workbench)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What an arm's trials took; failed and pruned ones count."""

    trials: int = 0
    seconds: float = 0.0
    tokens: float = 0.0
    money: float = 0.0

    def of(self, currency: Currency) -> float:
        return float(getattr(self, currency))

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            trials=self.trials + other.trials,
            seconds=self.seconds + other.seconds,
            tokens=self.tokens + other.tokens,
            money=self.money + other.money,
        )


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """The result of an arm's search. `best` is its champion on dev, the earlier one of equals."""

    arm: Arm
    rows: tuple[TrialRecord, ...]
    """All trials in the order in which they ran."""
    first: TrialRecord
    """The default's."""
    best: TrialRecord
    default: Recipe
    champion: Recipe
    spent: Spent
    study: str
    """The champion's."""


@dataclass(frozen=True, kw_only=True)
class ArmSearch:
    """Runs one arm. `task` has no test split."""

    arm: Arm
    plans: Sequence[ArmStudy]
    budget: ArmBudget
    task: Task
    workbench: SearchWorkbench
    proposer: Proposer | None = None
    notify: Callable[[str, TrialRecord, Spent], None] = lambda _arm, _row, _spent: None
    make: Make = evaluator

    def run(self) -> ArmResult:
        """Spend the budget. A study that has nothing left to try leaves the rest of its share to the next.

        Raises:
            RunError: no trial was finished.
        """
        spent = Spent()
        for index, plan in enumerate(self.plans):
            share = _rest(plan.budget, self.budget, spent, left=len(self.plans) - index)
            spent += self._study(replace(plan, budget=share), spent)
        return self._result(spent)

    def _study(self, plan: ArmStudy, before: Spent) -> Spent:
        study, space = open_study(plan), plan.space()
        recipe_of = self._candidates(plan)
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(space.defaults(), skip_if_exists=True)
            for params in prompts.first_tries(space) if recipe_of else ():
                study.enqueue_trial(dict(params), skip_if_exists=True)
        evaluate = self.make(plan, self.task, self.workbench)
        if plan.default().program.retriever is not None and not plan.default().weights:
            evaluate = RecallFirst(evaluate=evaluate, task=self.task)

        def tell(row: TrialRecord) -> None:
            self.notify(self.arm.name, row, before + _spent(plan))

        extra = {"recipe_of": recipe_of} if recipe_of else {}
        loop = Loop(plan, evaluate, 0, time.time(), tell, **extra)
        loop.run()
        return _spent(plan)

    def _candidates(self, plan: ArmStudy) -> Candidates | None:
        if not is_prompt_search(plan.default()):
            return None
        return Candidates(plan=plan, task=self.task, workbench=self.workbench, proposer=self.proposer)

    def _result(self, spent: Spent) -> ArmResult:
        best: tuple[ArmStudy, TrialRecord] | None = None
        fault = ""
        for plan in self.plans:
            try:
                result = collect(plan)
            except RunError as error:
                fault = fault or str(error)
                continue
            if best is None or (result.best.value or 0.0) > (best[1].value or 0.0):
                best = plan, result.best
        if best is None:
            raise RunError(fault)
        names = [plan.study for plan in self.plans]
        known = [row for row in read_trials(self.plans[0].results) if row.study in names]
        rows = sorted(known, key=lambda row: (names.index(row.study), row.number))
        plan, row = best
        candidates = self._candidates(plan)
        name = plan.default().name
        champion = (
            plan.space().apply(row.params)
            if candidates is None
            else candidates.recipe(plan.space(), row.params)
        )
        return ArmResult(
            arm=self.arm,
            rows=tuple(rows),
            first=rows[0],
            best=row,
            default=self.plans[0].default(),
            champion=replace(champion, name=name),
            spent=spent,
            study=plan.study,
        )


def _rest(share: Budget, whole: ArmBudget, spent: Spent, *, left: int) -> Budget:
    """What a study may spend: its part of what the studies before it left."""
    rest = (whole.amount - spent.of(whole.currency)) / left
    if whole.currency == "trials":
        return replace(share, trials=max(int(rest), 1))
    rest = max(rest, 0.0)
    if whole.currency == "seconds":
        return replace(share, seconds=rest)
    return replace(share, tokens=int(rest)) if whole.currency == "tokens" else replace(share, money=rest)


def _spent(plan: ArmStudy) -> Spent:
    ledger = trial_accounting.Ledger(open_study(plan))
    ledger.refresh()
    costs = {name: ledger.cost(name) for name in ("seconds", "tokens", "money")}
    return Spent(trials=ledger.paid(), **costs)
