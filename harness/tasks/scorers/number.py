"""Numbers within a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.probes import ScorerProbe
from harness.core.protocols import Scorer
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted


@dataclass(frozen=True, kw_only=True)
class Number(Scorer):
    """1 where the value is within either tolerance of an accepted target, as `math.isclose` has it."""

    paper = "PEP 485, A Function for testing approximate equality"
    binary = True

    relative: float = 1e-6
    absolute: float = 0.0

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(takes="number", right=(3, 3), wrong=(3, 4))

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        close = (
            math.isclose(_number(value), _number(answer), rel_tol=self.relative, abs_tol=self.absolute)
            for answer in accepted(target)
        )
        return float(any(close)), ""


def _number(value: JsonValue) -> float:
    if not isinstance(value, int | float | str):
        raise TypeError(f"not a number: {value!r}")
    return float(value)
