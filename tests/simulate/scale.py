"""How often a simulation is repeated, and how its numbers are written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

SCALE = float(os.environ.get("HARNESS_SIMULATE", "1"))
USUAL, CLOSE = 400, 2_000
"""Repeats of a row, and of one whose first repeats come near its bound."""
LOOKED_AT = 1_000
"""Repeats of a row that is about looks at every example."""
POWER = 100
"""Repeats of a row that has no bound."""
PAIRS = 200
"""Repeats of a pair over groups, of which there are many rows."""
Row = Sequence[str]
RowMaker = Callable[[], Row]


def repeats(number: int = USUAL) -> int:
    """How often, at the scale that HARNESS_SIMULATE asks for; at least 20 times."""
    return max(int(number * SCALE), 20)


def points(share: float) -> str:
    return f"{100 * share:.0f}"


def percent(*shares: float) -> list[str]:
    return [f"{share:.1f}" for share in shares]
