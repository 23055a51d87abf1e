"""Layouts that data sets come in: each file reads one and is found by its name; there is no list of them.

A layout says how well it fits a row (`Layout.detect`), and the best fit reads all rows of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from harness.core.kinds import lookup, names
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.layouts._unsupported import unsupported
from harness.tasks.located import Located, Row

__all__ = ["Converted", "Layout", "detect", "document_rows", "unsupported"]

SAMPLE = 20
"""Number of rows that a layout must fit to be used for the file."""
ROOM = "layouts"


@cache
def known() -> tuple[Layout, ...]:
    """Every layout, by file name."""
    return tuple(lookup(ROOM, name)() for name in names(ROOM))


def detect(rows: Sequence[Located]) -> Layout | None:
    """The layout that fits the first rows best; None if no layout fits most of them."""
    sample = [located.row for located in rows[:SAMPLE]]
    fits = [(sum(scores), layout) for layout in known() if (scores := _scores(layout, sample)) is not None]
    return max(fits, key=lambda fit: (fit[0], fit[1].name()))[1] if fits else None


def document_rows(document: object) -> list[Row] | None:
    """The rows of a JSON file whose outermost value only a layout understands; None for ordinary files."""
    return next((rows for layout in known() if (rows := layout.document(document)) is not None), None)


def _scores(layout: Layout, sample: Sequence[Row]) -> list[int] | None:
    """How well the layout fits each row that it fits; None if it fits at most half of them."""
    fitting = [score for row in sample if (score := layout.detect(row)) is not None]
    return fitting if len(fitting) > len(sample) / 2 else None
