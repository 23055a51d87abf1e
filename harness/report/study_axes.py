"""The position of a knob's value on an axis: a number on its range, anything else among its choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from harness.core.json_types import JsonValue
from harness.report.html import svg
from harness.report.studies import Study

NUMBERS = ("FloatDistribution", "IntDistribution")
FEW = 6
"""Most distinct numbers for which a knob is drawn as choices."""


@dataclass(frozen=True)
class KnobAxis:
    """A scale of numbers, or evenly spaced `choices`."""

    scale: svg.Scale
    choices: tuple[JsonValue, ...] = ()

    def __call__(self, value: JsonValue) -> float:
        if not self.choices:
            return self.scale(float(cast(float, value)))
        return self.scale(self.choices.index(value) + 0.5)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and their labels, at most about six."""
        if self.choices:
            return [(self.scale(index + 0.5), written(value)) for index, value in enumerate(self.choices)]
        ticks = self.scale.ticks(4)
        every = math.ceil(len(ticks) / 6)
        return [(self.scale(value), written(value)) for value in ticks[::every]]


def axis(study: Study, knob: str, start: float, end: float) -> KnobAxis:
    values = [trial.params[knob] for trial in study.trials if knob in trial.params]
    known = study.distribution(knob)
    if known["name"] not in NUMBERS:
        choices = [value for value in known.get("choices", ()) if value in values]
        return _choices([*choices, *(value for value in values if value not in choices)], start, end)
    numbers = cast("list[float]", values)
    low, high = min(numbers), max(numbers)
    if known["name"] == "IntDistribution" and len(set(numbers)) <= FEW:
        return _choices(sorted(numbers), start, end)
    if known.get("log") and low > 0:
        return KnobAxis(svg.Scale(low / 1.25, high * 1.25, start, end, log=True))
    return KnobAxis(svg.linear(numbers, start, end))


def written(value: object) -> str:
    """A knob's value, formatted for reading."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value).lower()
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        digits, power = f"{value:.1e}".split("e")
        return f"{digits.removesuffix('.0')}e{int(power)}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _choices(values: Sequence[JsonValue], start: float, end: float) -> KnobAxis:
    kept: list[JsonValue] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return KnobAxis(svg.Scale(0.0, float(len(kept)), start, end), tuple(kept))
