"""A study's accounting: spent budget, configurations, and their workers.

Finished trials never change, so each is read once: a late trial of a long search costs no more than the first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


CURRENCIES = ("seconds", "tokens", "money")


class Ledger:
    """Follows one study; `refresh` reads what is new or was unfinished last time."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._counted = 0
        self._open: dict[int, FrozenTrial] = {}
        self._paid: list[int] = []
        self._first: dict[str, FrozenTrial] = {}
        self._marks: set[str] = set()
        self._costs = dict.fromkeys(CURRENCIES, 0.0)
        self._dearest = dict.fromkeys(CURRENCIES, 0.0)

    def refresh(self) -> None:
        trials = self._study.get_trials(deepcopy=False)
        news = [trials[number] for number in self._open] + trials[self._counted :]
        self._counted = len(trials)
        for trial in news:
            if trial.state.is_finished():
                self._open.pop(trial.number, None)
                self._settle(trial)
            else:
                self._open[trial.number] = trial

    def _settle(self, trial: FrozenTrial) -> None:
        for name in ("tokens", "money"):
            self._charge(name, float(trial.user_attrs.get("cost", {}).get(name, 0.0)))
        if marked := mark(trial):
            self._marks.add(marked)
        if is_lost(trial) or is_copy(trial):
            return
        self._charge("seconds", seconds(trial))
        insort(self._paid, trial.number)
        if marked and (marked not in self._first or trial.number < self._first[marked].number):
            self._first[marked] = trial

    def _charge(self, name: str, amount: float) -> None:
        self._costs[name] += amount
        self._dearest[name] = max(self._dearest[name], amount)

    def running(self) -> list[FrozenTrial]:
        return [trial for trial in self._open.values() if trial.state.name == "RUNNING"]

    def cost(self, name: str) -> float:
        """What all trials cost together: `seconds`, `tokens` or `money`."""
        return self._costs[name]

    def is_spent(self, name: str, limit: float, *, never_over: bool) -> bool:
        """Whether no trial may start any more; `never_over`: the rest must pay for another one as expensive
        as the most expensive so far."""
        spent = self._costs[name]
        if never_over and self._paid:
            return spent + self._dearest[name] > limit
        return spent >= limit

    def paid(self, before: int | None = None) -> int:
        """How many trials the budget pays for (of those numbered below `before`): all but duplicates, queued
        ones, and those whose worker died, which are tried again."""
        running = [t for t in self.running() if not is_copy(t) and (before is None or t.number < before)]
        return (len(self._paid) if before is None else bisect_left(self._paid, before)) + len(running)

    def first(self, wanted: str, before: int) -> FrozenTrial | None:
        """The earliest trial below `before` with this configuration, finished or running."""
        same = [t for t in self.running() if mark(t) == wanted and not is_copy(t)]
        if (finished := self._first.get(wanted)) is not None:
            same.append(finished)
        return min((t for t in same if t.number < before), key=lambda t: t.number, default=None)

    def marks(self) -> set[str]:
        """The key of every configuration that was tried or is being tried."""
        return self._marks | {mark(trial) for trial in self.running()}


def seconds(trial: FrozenTrial) -> float:
    """What a finished trial took. One whose run an earlier command had finished is charged what that run took, so
    that a budget buys the same whatever was computed before."""
    took = trial.duration.total_seconds() if trial.duration else 0.0
    return max(took, float(trial.user_attrs.get("cost", {}).get("run_seconds", 0.0)))


def mark(trial: FrozenTrial) -> str:
    """The key of its configuration, as its worker noted it; empty before that."""
    return str(trial.user_attrs.get("is", {}).get("mark", ""))


def is_lost(trial: FrozenTrial) -> bool:
    """Failed without a recorded reason: its worker died, and it was queued again."""
    return trial.state.name == "FAIL" and "error" not in trial.user_attrs and not is_copy(trial)


def is_copy(trial: FrozenTrial) -> bool:
    return "duplicate_of" in trial.user_attrs
