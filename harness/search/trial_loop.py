"""A worker's loop: ask Optuna, run, tell, until the budget is spent. Any number of workers share a study."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError, RunError
from harness.core.execution import Notify, Worker
from harness.core.recipes import Recipe
from harness.core.secrets import hidden
from harness.results import trials
from harness.results.records.run import AnswerRecord, RunRecord, TrainRecord
from harness.results.records.trial import TrialRecord
from harness.search import objectives, samplers, study_identity, study_storage, trial_accounting
from harness.search.space import Space
from harness.search.study_config import StudyConfig
from harness.search.trial import Evaluate, PrunedError, evaluator

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MOST_DUPLICATES = 50
"""Duplicates in a row after which a space counts as exhausted."""
BESIDE = "beside"
"""The attribute of a trial with what was spent on it besides its run: `seconds`, `tokens`, `money`."""
SILENCE = 5.0
"""Seconds that an earlier trial may take to publish its configuration; one that Optuna alone runs never does."""


def open_study(plan: StudyConfig, worker: int = 0) -> optuna.Study:
    """The study of a plan, created with the defaults as its first trial if it is new.

    Raises:
        ConfigError: storage not reachable, or a study of that name with another identity.
    """
    import optuna

    kept = study_storage.open_storage(plan.storage, plan.results, plan.study)
    try:
        study = optuna.create_study(
            storage=kept,
            study_name=plan.study,
            load_if_exists=True,
            directions=plan.directions,
            pruner=samplers.pruner(plan.pruner),
        )
        study_identity.claim(study, plan.of(), plan.space())
        # Otherwise a resumed command would draw the same points again.
        study.sampler = samplers.sampler(plan.seed, worker + 7919 * len(study.get_trials(deepcopy=False)))
        return study
    except ConfigError:
        raise
    except Exception as error:
        message = f"study '{plan.study}' cannot be opened: {study_storage.reason(error)}"
        file = study_storage.journal(plan.storage, plan.results, plan.study)
        remedy = study_storage.REMEDY if file is None else study_storage.MOVE_AWAY
        raise ConfigError(message, file=file, remedy=remedy) from None


def recorded(plan: StudyConfig, study: optuna.Study) -> None:
    """Update `trials.jsonl` from the study's storage, which is the source of truth: others may have run its
    trials with another results folder."""
    known = {row.number: row.state for row in trials.read(plan.results) if row.study == plan.study}
    for trial in study.get_trials(deepcopy=False):
        row = trials.record(plan.study, trial, plan.about())
        if trial.state.is_finished() and known.get(trial.number) != row.state:
            trials.append(plan.results, row)


@dataclass(frozen=True, kw_only=True)
class SearchWork:
    """Opens a worker; picklable. `evaluator` makes from a plan what evaluates a recipe."""

    plan: StudyConfig
    began: float
    evaluator: Callable[[StudyConfig], Evaluate] = evaluator

    def __call__(self) -> Worker[tuple[int, int | None], int]:
        evaluate = self.evaluator(self.plan)

        def worker(job: tuple[int, int | None], notify: Notify) -> int:
            number, most = job
            return Loop(self.plan, evaluate, number, self.began, notify).run(most)

        return worker


class Loop:
    """One worker's part of a study."""

    def __init__(
        self,
        plan: StudyConfig,
        evaluate: Evaluate,
        worker: int,
        began: float,
        notify: Callable[[TrialRecord], None] = lambda _: None,
        recipe_of: Callable[[Space, optuna.Trial], Recipe] = lambda space, trial: space.apply(trial.params),
    ) -> None:
        self.plan, self.evaluate, self.began, self.notify = plan, evaluate, began, notify
        self.recipe_of = recipe_of
        self.space: Space = plan.space()
        self.study = open_study(plan, worker)
        self.ledger = trial_accounting.Ledger(self.study)
        self.silent: set[int] = set()
        self.distributions = samplers.distributions(self.space)
        self.search = plan.about()

    def run(self, most: int | None = None) -> int:
        """Trials until the budget (or `most` of them) is spent; returns how many ran here.

        Raises:
            RunError: the storage became unreachable.
        """
        from optuna.exceptions import StorageInternalError

        try:
            return self._run(most)
        except StorageInternalError as error:
            message = f"storage of study '{self.plan.study}' is gone: {study_storage.reason(error)}"
            raise RunError(f"{message} — once it is back, the same command resumes") from None

    def elsewhere(self) -> list[FrozenTrial]:
        """Trials that others run."""
        self.ledger.refresh()
        return [trial for trial in self.ledger.running() if not study_storage.is_dead(trial)]

    def _run(self, most: int | None) -> int:
        done = duplicates = 0
        while most is None or done < most:
            for lost in study_storage.retry_lost(self.study):
                self._write(lost)
            if self._spent():
                break
            trial = study_storage.ask(self.study)
            samplers.suggest(trial, self.space, self.distributions)
            if self._is_surplus(trial):
                break
            if (first := self._first_of(trial)) is not None:
                self._tell_again(trial, first)
                duplicates += 1
                if duplicates > MOST_DUPLICATES or not self._enqueue_unseen(trial.number):
                    break
                continue
            duplicates = 0
            done += self._one_unless_lost(trial)
        return done

    def _spent(self) -> bool:
        """Failed trials count and lost ones are tried again: a study in which all fail must end."""
        budget, had = self.plan.budget, self.ledger
        if budget.hours is not None and time.time() - self.began > budget.hours * 3600:
            return True
        had.refresh()
        limits = {"seconds": budget.seconds, "tokens": budget.tokens, "money": budget.money}
        if any(
            limit is not None and had.is_spent(name, limit, never_over=budget.never_over)
            for name, limit in limits.items()
        ):
            return True
        return had.paid() >= budget.trials

    def _is_surplus(self, trial: optuna.Trial) -> bool:
        """Whether others took the last trials of the budget at the same moment; it is given back."""
        from optuna.trial import TrialState

        self.ledger.refresh()
        if self.ledger.paid(before=trial.number) < self.plan.budget.trials:
            return False
        trial.set_user_attr("duplicate_of", None)
        self.study.tell(trial, state=TrialState.FAIL)
        if "retry_of" in trial.user_attrs:
            self.study.enqueue_trial(trial.params, user_attrs={"retry_of": trial.user_attrs["retry_of"]})
        return True

    def _first_of(self, trial: optuna.Trial) -> FrozenTrial | None:
        """An earlier trial with this very configuration that is finished or running.

        Waits for earlier trials that have not published their configuration yet, so that if two workers draw
        the same one at the same moment, one sees the other (Lamport's bakery algorithm).
        """
        values = self.space.complete(trial.params)
        wanted = samplers.mark(values)
        trial.set_user_attr("is", {"mark": wanted, "values": values})
        patience = time.monotonic() + SILENCE
        while True:
            self.ledger.refresh()
            silent = {
                other.number
                for other in self.ledger.running()
                if other.number < trial.number
                and not trial_accounting.mark(other)
                and not study_storage.is_dead(other)
            }
            if not silent - self.silent:
                break
            if time.monotonic() > patience:
                self.silent |= silent
            time.sleep(0.01)
        return self.ledger.first(wanted, before=trial.number)

    def _tell_again(self, trial: optuna.Trial, first: FrozenTrial) -> None:
        """A duplicate gets the first trial's values, or none if that one is still running or failed."""
        from optuna.trial import TrialState

        trial.set_user_attr("duplicate_of", first.number)
        if first.state == TrialState.COMPLETE:
            frozen = self._tell(trial, trials.exact(first), first.values)
        elif first.state == TrialState.PRUNED:
            for step, value in first.intermediate_values.items():
                trial.report(value, step)
            frozen = self.study.tell(trial, state=TrialState.PRUNED)
        else:
            frozen = self.study.tell(trial, state=TrialState.FAIL)
        self._write(frozen)

    def _tell(self, trial: optuna.Trial, exact: Sequence[float], reported: Sequence[float]) -> FrozenTrial:
        """Store `exact` next to the values reported to the sampler if they differ."""
        if list(exact) != list(reported):
            trial.set_user_attr(trials.EXACT, list(exact))
        return self.study.tell(trial, reported)

    def _write(self, trial: FrozenTrial) -> TrialRecord:
        record = trials.record(self.study.study_name, trial, self.search)
        trials.append(self.plan.results, record)
        return record

    def _enqueue_unseen(self, number: int) -> bool:
        self.ledger.refresh()
        if (params := samplers.unseen(self.space, self.ledger.marks(), seed=number)) is None:
            return False
        self.study.enqueue_trial(params)
        return True

    def _one_unless_lost(self, trial: optuna.Trial) -> int:
        """How many trials were finished: none if others took this worker for dead in the meantime.

        They have queued the configuration again; whoever takes it finds the run finished here.
        """
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self._one(trial)
        except UpdateFinishedTrialError:
            return 0
        return 1

    def _one(self, trial: optuna.Trial) -> None:
        from optuna.trial import TrialState

        with study_storage.alive(trial):
            try:
                record = self.evaluate(self.recipe_of(self.space, trial), trial)
                values = objectives.values(self.plan.objectives, record)
                self._note(trial, record)
                frozen = self._tell(
                    trial, values, objectives.sampler_values(self.plan.objectives, values, record)
                )
            except PrunedError as error:
                trial.set_user_attr("stopped", hidden(str(error)))
                self._note_partial(trial)
                frozen = self.study.tell(trial, state=TrialState.PRUNED)
            except KeyboardInterrupt:
                study_storage.give_up(trial)
                raise
            except Exception as error:
                trial.set_user_attr("error", hidden(f"{type(error).__name__}: {error}"))
                frozen = self.study.tell(trial, state=TrialState.FAIL)
        self.notify(self._write(frozen))

    def _note(self, trial: optuna.Trial, record: RunRecord) -> None:
        self._note_cost(trial, record)
        broken = {c.name: c.excess(record) for c in self.plan.constraints}
        for name, excess in broken.items():
            trial.set_constraint(name, excess)
        if broken:
            trial.set_user_attr("constraints", broken)

    def _note_cost(self, trial: optuna.Trial, record: RunRecord) -> None:
        train, answer = record.train or TrainRecord(), record.answer or AnswerRecord()
        read = (answer.tokens_in_mean or 0) * objectives.asked(record)
        beside = trial.user_attrs.get(BESIDE, {})
        # One attribute, because each is a write that the storage waits for.
        cost = {
            "train_seconds": train.seconds or 0.0,
            "train_steps": train.steps or 0,
            "tokens": int((train.tokens or 0) + read + beside.get("tokens", 0)),
            "money": objectives.money(self.plan.budget.prices, record) + beside.get("money", 0.0),
            "run_seconds": (record.seconds or 0.0) + beside.get("seconds", 0.0),
        }
        trial.set_user_attr("cost", cost)

    def _note_partial(self, trial: optuna.Trial) -> None:
        from harness.results.folder import ResultsFolder

        id = trial.user_attrs.get("run_id")
        if id and (record := ResultsFolder(self.plan.results).run(id).record()):
            self._note_cost(trial, record)
