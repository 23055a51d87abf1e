"""Default recipes that a server turns out not to allow: it answers, but holds no answer to a format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.core.secrets import hidden
from harness.results.records.run import RunRecord
from harness.runner.cells import Cell
from harness.runner.held import NOT_HELD
from harness.runner.model_pool import is_server
from harness.runner.runner import Outcome
from harness.runner.suitable import LeftOut

_REFUSAL = re.compile(rf"{NOT_HELD}|HTTP (400|415|422|501)\b")
"""What says that the request itself is refused; an outage is none."""
REMEDY = (
    "it needs a server that takes response_format (JSON), structured_outputs (vLLM) or grammar (llama.cpp)"
)


def set_apart(cells: Sequence[Cell], outcome: Outcome) -> tuple[Outcome, tuple[LeftOut, ...]]:
    """The outcome without the constrained runs that a server refused although it answers the same task otherwise.

    Args:
        cells: those that the outcome is of, in its order; all of default recipes.
    """
    answering = {
        (cell.task.name, cell.model)
        for cell, record in zip(cells, outcome.records, strict=True)
        if record.has_answers
    }
    left_out, kept = [], []
    for position, (cell, record) in enumerate(zip(cells, outcome.records, strict=True)):
        if (cell.task.name, cell.model) in answering and (reason := _refusal(cell, record)):
            where = {"task": cell.task.name, "model": hidden(cell.model), "recipe": cell.recipe.name}
            left_out.append(LeftOut(**where, reason=reason, remedy=REMEDY))
        else:
            kept.append(position)
    if not left_out:
        return outcome, ()
    return replace(
        outcome,
        records=tuple(outcome.records[position] for position in kept),
        folders=tuple(outcome.folders[position] for position in kept),
    ), tuple(left_out)


def _refusal(cell: Cell, record: RunRecord) -> str:
    """Why a server refuses to hold answers to the format; empty where it does not, or where something else failed."""
    if not (cell.recipe.program.constrain and is_server(cell.model)) or record.has_answers:
        return ""
    reason = record.missing.sentence() if record.missing is not None else str(record.error or "")
    if not _REFUSAL.search(reason):
        return ""
    return re.sub(r"^\w+Error: ", "", reason).split("; leave out the constrained recipe")[0]
