"""`results/tunings/<name>.json`: what `harness run --tune` found for each arm, and its results on test."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.results.records.base import JsonValue, Lenient, Record


@dataclass(frozen=True, kw_only=True)
class Interval(Lenient):
    """A mean, or a mean difference, with its 95 % interval over `n` examples."""

    mean: float
    low: float
    high: float
    n: int = 0


@dataclass(frozen=True, kw_only=True)
class Scores(Lenient):
    """The default and the tuned recipe on one split, and their difference by example; None: not measured."""

    default: Interval | None = None
    tuned: Interval | None = None
    gain: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Change(Lenient):
    """A knob whose value in the champion differs from the default, as in the recipe files."""

    knob: str
    before: JsonValue = None
    after: JsonValue = None


@dataclass(frozen=True, kw_only=True)
class Spread(Lenient):
    """Dev scores of an arm's finished trials: how much wording, knobs and seed alone move it."""

    n: int
    low: float
    median: float
    high: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class CurvePoint(Lenient):
    """The best dev score after this much of the budget, in the budget's currency."""

    spent: float
    best: float


@dataclass(frozen=True, kw_only=True)
class ArmRecord(Lenient):
    """One arm. `error` says why it has no champion."""

    arm: str
    family: str
    start: str
    error: str | None = None
    recipe: str = ""
    """The name of the tuned recipe on test."""
    recipe_file: str = ""
    study: str = ""
    trials: int = 0
    pruned: int = 0
    failed: int = 0
    seconds: float = 0.0
    tokens: float = 0.0
    money: float = 0.0
    unspent: float = 0.0
    """What is left of the budget, in its currency; below 0 if the last trial took more than was left."""
    overhead: float | None = None
    """Share of the trials' seconds that was neither a run nor a proposer; None if no trial ran here."""
    dev: Scores = field(default_factory=Scores)
    test: Scores = field(default_factory=Scores)
    overfit: Interval | None = None
    """The gain on dev minus the gain on test: what tuning promised and did not deliver."""
    changes: tuple[Change, ...] = ()
    prompt_diff: str = ""
    """The first message of a prompt, default against tuned, as a unified diff; empty if they are equal."""
    curve: tuple[CurvePoint, ...] = ()
    spread: Spread | None = None
    champion: bool = False
    """Whether it is its family's champion on dev, which the verdict compares."""
    runs: tuple[str, ...] = ()
    """Ids of its runs on test: of the default and of the tuned recipe."""


@dataclass(frozen=True, kw_only=True)
class TuningRecord(Record):
    """A command with `--tune`. Every arm had the same `budget` in `currency`."""

    name: str
    task: str = ""
    model: str = ""
    budget: float = 0.0
    currency: str = "trials"
    money: str = "USD"
    """The currency of amounts of money."""
    proposer: str | None = None
    notes: tuple[str, ...] = ()
    """What to know, e.g. that dev was cut from train or that the proposer was left out."""
    arms: tuple[ArmRecord, ...] = ()
    finished_at: str = ""
