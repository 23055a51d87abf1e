"""Writes docs/simulations.md, and its summary in docs/verdict.md: how often verdicts on made-up data are wrong.
`make simulate`; one table again: `python -m tests.simulate --only "Groups: pairs"`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.simulate import summary
from tests.simulate.scale import CLOSE, SCALE, USUAL, Row
from tests.simulate.tables import TABLES, Table
from tests.simulate.worker import made, prepare

OUT = Path(__file__).parents[2] / "docs" / "simulations.md"
_ROWS = OUT.parents[1] / "build" / "simulations.jsonl"
Place = tuple[int, int]
"""Table and row."""
_INTRODUCTION = """# How often a verdict is wrong

Made by `{command}` (`tests/simulate/`). Test sets are made up, so that the truth is
known; then the product's own verdict is computed and compared with it. Difficulty is shared between recipes
(60 % of the latent variance belongs to the example, 20 % to recipe × example, 20 % to the run). Numbers
are percent of {usual} repeats unless the table says otherwise; rows that come near their bound have {close:,}. Of 400
repeats, one that reads 5 may be anything from 3 to 7; of 2,000, from 4 to 6.
"""


def _section(table: Table, rows: Sequence[Row]) -> str:
    lines = [
        f"## {table.title}",
        "",
        table.text,
        "",
        f"| {' | '.join(table.head)} |",
        f"|{'---|' * len(table.head)}",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="how many simulate at once")
    parser.add_argument(
        "--resume", action="store_true", help="keep the rows that an interrupted run has made"
    )
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="TITLE",
        help="remake the tables whose title begins so, and keep the page's others; without a title: the summary only",
    )
    options = parser.parse_args()
    rows = _kept() if options.resume else {}
    if options.only is not None:
        rows = _from_page(options.only) | rows
    _ROWS.parent.mkdir(exist_ok=True)
    _simulate(rows, options.processes)
    OUT.write_text(_page(rows), encoding="utf-8")
    page = summary.PAGE.read_text(encoding="utf-8")
    summary.PAGE.write_text(summary.written(page, _summary(rows)), encoding="utf-8")


def _summary(rows: Mapping[Place, Row]) -> str:
    made = [[rows[number, index] for index in range(len(table.rows))] for number, table in enumerate(TABLES)]
    return summary.table(summary.sections([(table.title, table.head) for table in TABLES], made))


def summary_of_page() -> str:
    """The summary of docs/simulations.md as it is."""
    return _summary(_from_page(()))


def _kept() -> dict[Place, Row]:
    lines = _ROWS.read_text(encoding="utf-8").splitlines() if _ROWS.exists() else []
    return {(table, row): values for (table, row), values in map(json.loads, lines)}


def _from_page(but: Sequence[str]) -> dict[Place, Row]:
    """The rows of the page's tables, without those whose title begins with one of `but`.

    Raises:
        SystemExit: a table of the page has other rows than today's; it must be made again.
    """
    sections = {part.split("\n", 1)[0]: part for part in OUT.read_text(encoding="utf-8").split("\n## ")[1:]}
    rows: dict[Place, Row] = {}
    for number, table in enumerate(TABLES):
        if table.title.startswith(tuple(but)):
            continue
        lines = [line for line in sections.get(table.title, "").splitlines() if line.startswith("| ")]
        head, *made = [line.strip("| ").split(" | ") for line in lines] or [[]]
        if head != list(table.head) or len(made) != len(table.rows):
            raise SystemExit(f'"{table.title}" has other columns or rows than on the page: make it, too')
        rows |= {(number, index): row for index, row in enumerate(made)}
    return rows


def _simulate(rows: dict[Place, Row], processes: int) -> None:
    """Adds what is missing to `rows`, and keeps each row in a file as it comes."""
    places = [(t, r) for t, table in enumerate(TABLES) for r in range(len(table.rows)) if (t, r) not in rows]
    context = get_context("spawn")
    with (
        _ROWS.open("a" if rows else "w", encoding="utf-8") as file,
        ProcessPoolExecutor(processes, mp_context=context, initializer=prepare) as pool,
    ):
        for index, row in zip(places, pool.map(made, places), strict=True):
            rows[index] = row
            file.write(json.dumps([index, row]) + "\n")
            file.flush()
            print(f"{TABLES[index[0]].title[:30]}: {' '.join(row)}", file=sys.stderr, flush=True)


def _page(rows: Mapping[Place, Row]) -> str:
    command = "make simulate" if SCALE == 1 else f"HARNESS_SIMULATE={SCALE:g} make simulate"
    parts = [
        _INTRODUCTION.format(command=command, usual=int(USUAL * SCALE), close=int(CLOSE * SCALE)).strip()
    ]
    for index, table in enumerate(TABLES):
        parts.append(_section(table, [rows[index, row] for row in range(len(table.rows))]))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
