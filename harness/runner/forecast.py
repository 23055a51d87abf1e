"""How long an experiment will take on this machine, guessed before it begins. `time_left.py` corrects the guess by what
is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.secrets import hidden
from harness.estimate import flops_estimate
from harness.models.source import is_tiny
from harness.results.folder import ResultsFolder
from harness.runner.asked import complete
from harness.runner.cells import Cell
from harness.runner.model_pool import is_server

FASTER, SLOWER = 0.75, 2.0
"""A guess's shortest and longest, as multiples: five runs of the bundled model on two cores took 0.86 to 1.64 times
their guess (docs/newcomer.md), under a load that changed meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """How long one cell is expected to take before anything like it has been measured."""

    recipe: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A guess for each cell that is left to run, by the cell's key, and the recipes whose time is not known."""

    guesses: Mapping[str, Guess]
    unknown: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    """Why models are not counted, once each."""
    less_if: str = ""
    """What may make it shorter: an option that leaves out what cannot change the answer."""

    @property
    def by_recipe(self) -> dict[str, float]:
        """Seconds of each recipe, in the order in which they run."""
        seconds: dict[str, float] = {}
        for guess in self.guesses.values():
            seconds[guess.recipe] = seconds.get(guess.recipe, 0.0) + guess.seconds
        return seconds

    @property
    def total(self) -> float:
        return sum(guess.seconds for guess in self.guesses.values())

    @property
    def sentence(self) -> str:
        """One line with every recipe, or why there is none; empty if nothing is left to run."""
        if not self.guesses:
            why = [*self.uncounted, *(f"that of {name} is unknown" for name in self.unknown)]
            return f"no time estimate: {'; '.join(why)}" if why else ""
        recipes = self.by_recipe
        parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in recipes.items())
        share = f" ({parts})" if len(recipes) > 1 else ""
        unknown = f"; not counted: {', '.join(self.unknown)}" if self.unknown else ""
        less = f"; less if {self.less_if}" if self.less_if else ""
        return (
            f"rough time estimate: {between(FASTER * self.total, SLOWER * self.total)} on this machine "
            f"under its present load{share}{unknown}{''.join(f'; {why}' for why in self.uncounted)}{less}"
        )


def between(least: float, most: float) -> str:
    """A range of durations, with the unit once where both have the same: 9 to 24 min, 50 s to 3 min."""
    low, high = duration(least), duration(most)
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    return f"{number if high.endswith(f' {unit}') else low} to {high}"


def duration(seconds: float) -> str:
    """A rounded duration, because it is an estimate: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


RANDOM = (
    "{} is a test model with random weights, which is not timed; each training says how much time is left"
)
SERVER = "how fast {} answers is unknown until it is asked"


def _uncounted(model: str) -> str:
    """Why the time of a model is not estimated from its operations; empty if it is."""
    return (
        RANDOM.format(hidden(model))
        if is_tiny(model)
        else SERVER.format(hidden(model))
        if is_server(model)
        else ""
    )


def forecast(cells: Sequence[Cell], results: Path, *, fresh: bool = False, less_if: str = "") -> Forecast:
    """The time left in an experiment, from the operations it takes; servers and the random model are not counted: it is so small
    that its time is that of everything around its operations.

    Args:
        results: the results folder; cells that are complete there take no time.
        fresh: whether complete cells are run again.
        less_if: what may make it shorter.
    """
    uncounted: dict[str, None] = {}
    guesses: dict[str, Guess] = {}
    unknown: list[str] = []
    for cell in cells:
        if cell.fault:
            continue
        if not fresh and complete(cell, ResultsFolder(results).run(cell.id)) is not None:
            continue
        if why := _uncounted(cell.model):
            uncounted[why] = None
            continue
        expected = flops_estimate.seconds_per_run(
            cell.recipe,
            cell.model,
            cell.task,
            labels=getattr(cell.recipe.data, "limit", None),
            asked=cell.examples,
            seed=cell.seed,
        )
        if expected is None:
            unknown.append(cell.recipe.name)
        else:
            guesses[cell.key] = Guess(recipe=cell.recipe.name, seconds=expected)
    return Forecast(
        guesses=guesses,
        unknown=tuple(dict.fromkeys(unknown)),
        uncounted=tuple(uncounted),
        less_if=less_if,
    )
