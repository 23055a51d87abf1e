"""Numbers within a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.probes import ScorerProbe
from harness.core.protocols import Scorer
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted

_ROUNDING = 1e-6
_EXACT = 2**53 / 100
"""Below this size a float tells every two numbers with two decimals apart."""


@dataclass(frozen=True, kw_only=True)
class Number(Scorer):
    """1 where the value is within either tolerance of an accepted target, as `math.isclose` has it.

    The default tolerance is for rounded decimals: 0.333333 is right for 1/3. Whole numbers and amounts with cents have no
    rounding to forgive, and 20241101 is not 20241110: they must be equal unless a tolerance is set.
    """

    paper = "PEP 485, A Function for testing approximate equality"
    version = 2
    binary = True

    relative: float = _ROUNDING
    absolute: float = 0.0

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(takes="number", right=(3, 3), wrong=(3, 4))

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        close = (self._close(_number(value), _number(answer)) for answer in accepted(target))
        return float(any(close)), ""

    def _close(self, value: float, target: float) -> bool:
        if not math.isclose(value, target, rel_tol=self.relative, abs_tol=self.absolute):
            return False
        if self.relative > _ROUNDING or abs(value - target) <= self.absolute:
            return True
        return not (_is_exact(value) and _is_exact(target))


def _number(value: JsonValue) -> float:
    if not isinstance(value, int | float | str):
        raise TypeError(f"not a number: {value!r}")
    return float(value)


def _is_exact(number: float) -> bool:
    """Whether a number has at most two decimals, all of which a float holds."""
    return abs(number) < _EXACT and round(number, 2) == number
