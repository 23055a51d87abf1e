"""The short table in docs/verdict.md: what was asked of the verdicts, and the range over the rows of the long tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.simulate.scale import Row

PAGE = Path(__file__).parents[2] / "docs" / "verdict.md"
BEGIN, END = "<!-- simulated: made by make simulate -->", "<!-- end of simulated -->"
Named = Mapping[str, str]
"""A row of a table: column → cell."""
Sections = Mapping[str, Sequence[Named]]
"""Heading of a table → its rows."""
MOST_NOISE = 3.0
"""Training noise in points up to which false claims are bounded."""


@dataclass(frozen=True)
class Line:
    """One question, and the columns of the tables that answer it."""

    question: str
    asked: str
    tables: str
    """How the headings of its tables begin."""
    columns: Sequence[str]
    of: Callable[[Named], bool] = lambda row: True


def _usual(row: Named) -> bool:
    return float(row["noise"]) <= MOST_NOISE


def _flat(row: Named) -> bool:
    return row["curve"].startswith("flat")


def _even(row: Named) -> bool:
    return row["sizes"] != "dominated"


def _ten(row: Named) -> bool:
    return int(row["groups"].split(" ")[0]) >= 10


COVERS = "93 to 97, never below 90"

LINES = (
    Line("Equal recipes: a difference is claimed", "at most 5", "Equal recipes: every", ("false",), _usual),
    Line("Equal recipes, looked at after every example: the same", "at most 2", "Equal recipes, looked", ("false",)),
    Line("Equal recipes: all intervals of the pairs hold", COVERS, "Equal recipes: every", ("pairs",), _usual),
    Line("… all intervals of the scores", COVERS, "Equal recipes: every", ("means",), _usual),
    Line("… the interval of the one that scored highest", COVERS, "Equal recipes: every", ("best",), _usual),
    Line("Worse by the margin or more, and called not worse", "at most 3", "The cheaper of two", ("called not worse",)),
    Line("The same over groups", "at most 3", "Groups: pairs", ("called not worse",)),
    Line("Ten groups or more: the interval of a score holds", COVERS, "Groups: how often", ("rate 60", "rate 90", "graded"), _ten),
    Line("… the interval of a pair, sizes equal or skewed", COVERS, "Groups: pairs", ("0 points", "5 points", "20 points"), _even),
    Line("… where a tenth of the groups is lost whole", COVERS, "Groups: a tenth", ("covered",), _even),
    Line("Triage names another gap than the true one", "at most 5", "Triage", ("wrong",)),
    Line("A flat label curve: more labels are called worth buying", "at most 2.5", "Label curves", ("yes",), _flat),
    Line("A gate calls a run that lost nothing a regression", "at most 2.5", "Gates", ("loss 0",)),
    Line("A history marks a change among seeds of one recipe", "at most 5", "Histories of one", ("noise 0", "noise 1", "noise 2", "noise 3")),
    Line("A history misses a lasting loss of 5 points", "few", "Histories with", ("missed",)),
)  # fmt: skip


def table(sections: Sections) -> str:
    """The table as Markdown."""
    lines = ["| of 100 verdicts on made-up data | asked for | measured | cells |", "|---|---|---|---|"]
    for line in LINES:
        rows = [
            _complete(row)
            for title, rows in sections.items()
            if title.startswith(line.tables)
            for row in rows
        ]
        cells = [float(row[column]) for row in rows if line.of(row) for column in line.columns]
        lines.append(
            f"| {line.question} | {line.asked} | {min(cells):.1f} to {max(cells):.1f} | {len(cells)} |"
        )
    return "\n".join(lines)


def _complete(row: Named) -> Named:
    """The row, with a share of errors where its table has that of successes."""
    errors = {"right": "wrong", "5 points": "missed"}
    named = {errors[column]: f"{100 - float(cell):.1f}" for column, cell in row.items() if column in errors}
    return {**row, **named}


def sections(titles: Sequence[tuple[str, Sequence[str]]], rows: Sequence[Sequence[Row]]) -> Sections:
    """Tables with named cells: `titles` are (heading, columns)."""
    return {
        title: [dict(zip(head, row, strict=True)) for row in made]
        for (title, head), made in zip(titles, rows, strict=True)
    }


def written(text: str, made: str) -> str:
    """docs/verdict.md with the table in its place."""
    block = f"{BEGIN}\n{made}\n{END}"
    new, count = re.subn(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, text, flags=re.S)
    if count != 1:
        raise SystemExit(f"{PAGE}: no place for the table between {BEGIN} and {END}")
    return new
