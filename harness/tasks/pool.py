"""The rows that `init` draws splits from: labeled, complete, and not many times more than are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.tasks import row_layouts, tables, task_file
from harness.tasks.columns import Assignment, Chosen
from harness.tasks.located import Located, Row

LARGE = 100_000
"""Splits are drawn from at most this many rows, or `TIMES` as many as are taken: more change nothing."""
TIMES = 10
FEW_ANSWERS = 1000


def enough(part: list[Located], mapping: task_file.MapFile | None, taken: int) -> list[Located]:
    """Rows to draw the splits from: all, or evenly spaced ones if there are many times more than are taken.

    The first row of each answer is among them, so that no label is missed.
    """
    size = max(LARGE, TIMES * taken)
    if len(part) <= size or mapping is None:
        return part
    spaced = {i * len(part) // size for i in range(size)}
    answers: set[str] = set()
    for position, located in enumerate(part):
        text = str(row_layouts.reach(located.row, str(mapping.target)))
        if len(answers) < FEW_ANSWERS and text not in answers:
            answers.add(text)
            spaced.add(position)
    return [part[position] for position in sorted(spaced)]


def native_names(chosen: Chosen, row: Row) -> Chosen:
    """What the user named and, for rows with `input` and `target`, the names that these rows give a meaning."""
    if not row_layouts.is_native(row):
        return chosen
    group = "group" if "group" in row else None
    return replace(
        chosen, target="target", group=group, context_ids="context_ids" if "context_ids" in row else None
    )


def line_counts(parts: Mapping[str, list[Located]], encoding: str) -> list[str]:
    """If a text file has more lines than rows: why."""
    notes = []
    for part in parts.values():
        lines = [located.line for located in part if located.line is not None]
        one_file = len({located.file for located in part}) == 1 and Path(part[0].file).is_file()
        if lines and one_file and Path(part[0].file).suffix.lower() in (".csv", ".tsv", ".jsonl", ".ndjson"):
            path = Path(part[0].file)
            difference = tables.difference(path, lines, encoding)
            notes += [f"rows: {len(lines):,} in {path.name}, which has {difference}"] if difference else []
    return notes


def filled(located: Located, assignment: Assignment) -> Located:
    """A row with every column of the table: rows of objects may leave some out."""
    names = [c.name for c in assignment.columns if c.name not in located.row and c.role != "dropped"]
    absent = {name: row_layouts.reach(located.row, name) for name in names}
    return replace(located, row=located.row | absent) if absent else located


def labelled(located: Located, mapping: task_file.MapFile | None) -> bool:
    """Whether a row has both input and target; a row of another layout is judged when it is read."""
    if mapping is None:
        return all(located.row.get(key, "?") not in (None, "") for key in ("input", "target", "completion"))
    inputs = [mapping.input] if isinstance(mapping.input, str) else list(mapping.input.values())  # type: ignore[union-attr]
    values = [row_layouts.reach(located.row, name) for name in inputs]
    return _says(row_layouts.reach(located.row, str(mapping.target))) and any(map(_says, values))


def _says(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None
