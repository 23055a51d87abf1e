"""Default recipes that a server turns out not to support: it answers, but cannot constrain answers to a
format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.secrets import hidden
from harness.results.records.run import RunRecord
from harness.runner.cells import Cell
from harness.runner.held import NOT_HELD
from harness.runner.model_pool import is_server
from harness.runner.runner import Outcome
from harness.runner.suitable import LeftOut

_REFUSAL = re.compile(rf"{NOT_HELD}|HTTP (400|415|422|501)\b")
"""Signs that the request itself is refused; an outage is not one."""
REMEDY = (
    "it needs a server that takes response_format (JSON), structured_outputs (vLLM) or grammar (llama.cpp)"
)


def set_apart(cells: Sequence[Cell], outcome: Outcome) -> tuple[Outcome, tuple[LeftOut, ...]]:
    """The outcome without the constrained runs that a server refused although it answers the same task otherwise.

    Args:
        cells: those that ran, all of default recipes.
    """
    of_run = {cell.id: cell for cell in cells}
    answering = {
        (record.task.name, of_run[record.id].model)
        for record in outcome.records
        if record.has_answers and record.id in of_run
    }
    left_out: list[LeftOut] = []
    kept: list[tuple[RunRecord, Path]] = []
    for record, folder in zip(outcome.records, outcome.folders, strict=True):
        cell = of_run.get(record.id)
        reason = "" if cell is None else _refusal(cell, record)
        if cell is not None and reason and (cell.task.name, cell.model) in answering:
            where = {"task": cell.task.name, "model": hidden(cell.model), "recipe": cell.recipe.name}
            left_out.append(LeftOut(**where, reason=reason, remedy=REMEDY))
        else:
            kept.append((record, folder))
    if not left_out:
        return outcome, ()
    records, folders = tuple(record for record, _ in kept), tuple(folder for _, folder in kept)
    return replace(outcome, records=records, folders=folders), tuple(left_out)


def _refusal(cell: Cell, record: RunRecord) -> str:
    """Why a server refuses to constrain answers to the format; empty if it does not refuse, or if something
    else failed."""
    if not (cell.recipe.program.constrain and is_server(cell.model)) or record.has_answers:
        return ""
    reason = record.missing.sentence() if record.missing is not None else str(record.error or "")
    if not _REFUSAL.search(reason):
        return ""
    return re.sub(r"^\w+Error: ", "", reason).split("; leave out the constrained recipe")[0]
