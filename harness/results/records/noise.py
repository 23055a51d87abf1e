"""A noise floor: how much a run's score moves from run to run when nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.records.base import Lenient, Record


@dataclass(frozen=True, kw_only=True)
class FlakyExample(Lenient):
    """An example whose score is not always the same: under the same seed, or under other seeds."""

    id: str
    where: str = ""
    values: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NoiseFloor(Record):
    """Variance of the mean score between runs, with its degrees of freedom."""

    run: str = ""
    variance: float
    df: float | None = None
    sd: float | None = None
    runs: int | None = None
    seeds: tuple[int, ...] = ()
    repeats: int | None = None
    means: tuple[float, ...] = ()
    deterministic: bool | None = None
    flaky: tuple[FlakyExample, ...] = ()
    scored: str | None = None
    """How the runs were scored (`likeness.scoring_mark`)."""
    versions: dict[str, str] | None = None
