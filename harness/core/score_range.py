"""Scores lie within [0, 1]: what a scorer gives beyond that is refused where it arises, and not averaged."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ConfigError


def valid(value: float | None) -> bool:
    """Whether a value is a score or no value at all; NaN is neither."""
    return value is None or 0.0 <= value <= 1.0


def refused(scorer: str, example: str, value: float, *, remedy: str, file: Path | None = None) -> ConfigError:
    """The error for a value that is not valid; it names the scorer."""
    return ConfigError(
        f"scorer '{scorer}' gave example '{example}' {value}, not a score within [0, 1]",
        file=file,
        remedy=f"divide by the scorer's largest value{remedy}",
    )
