"""A gate across two recipes: it compares recipes, which is no regression of one, and each has a noise floor of its own."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from harness.core.secrets import hidden
from harness.evidence.stats.seeds import ASSUMED
from harness.regression import floor
from harness.results.pins import Snapshot


@dataclass(frozen=True, kw_only=True)
class RecipeComparison:
    """The names of both recipes, and how much another training would move the score of each, in words."""

    pinned: str
    run: str
    noise: str
    task: str = ""
    model: str = ""

    @property
    def instead(self) -> str:
        """The command that answers what a gate of two recipes leaves open."""
        words = ["harness", "run", self.task, "--recipes", f"{_kind(self.pinned)},{_kind(self.run)}"]
        words += ["--model", self.model] if self.model else []
        return f"which of two recipes is better, and how many examples it takes to tell: {shlex.join(words)}"

    @property
    def sentence(self) -> str:
        return (
            f"this compares two recipes, {self.pinned} (pinned) and {self.run}, and is not a regression test; for that, pin a "
            f"run of {self.run}"
        )


def between(pin: Snapshot, run: Snapshot) -> RecipeComparison | None:
    """What to say about a pin of one recipe and a run of another; None if the run is of the pinned recipe, whatever
    settings were changed, or of another name for it. Of another tool's run the recipe is not known."""
    if pin.head.imported is not None or run.head.imported is not None:
        return None
    old, new = pin.head.recipe, run.head.recipe
    if _kind(old.name) == _kind(new.name) or old.slots == new.slots:
        return None
    noise = f"noise floors: {_noise(old.name, pin)}; {_noise(new.name, run)}"
    model = hidden(run.head.model.spec)
    return RecipeComparison(pinned=old.name, run=new.name, noise=noise, task=run.head.task.name, model=model)


def _kind(name: str) -> str:
    """A recipe's name without the settings that `--set` appends."""
    return name.partition(" ")[0]


def _noise(recipe: str, side: Snapshot) -> str:
    if not floor.trained(side):
        return f"{recipe} has none, because nothing is trained"
    measured = floor.known(side)
    if not measured:
        return (
            f"that of {recipe} is not measured, and a loss that {100 * ASSUMED.variance**0.5:.0f} points of training noise "
            "could explain is not called a regression"
        )
    (record,) = measured
    return f"{recipe} {100 * record.variance**0.5:.2f} points between runs ({record.runs or '?'} runs)"
