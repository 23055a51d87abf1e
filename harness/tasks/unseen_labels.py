"""Rows of dev and test whose label does not occur in train: the choices of a task are those of train alone.

A label that occurs only in test would reveal to constrained decoding, and to every prompt that lists the
labels, what occurs in test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.formatting import counted
from harness.core.values import Example
from harness.tasks.column_inference import as_label
from harness.tasks.located import Located, positions
from harness.tasks.placed_rows import Places

SHOWN = 5
REMEDY = "to keep such rows, name all labels: --format '{kind: choice, choices: [A, B, …]}'"


def left_out(
    splits: Mapping[str, list[Example]], spec: Mapping[str, Any], places: Places
) -> tuple[dict[str, list[Example]], list[str]]:
    """The splits without the dev and test rows that the choices refuse, and a line for each split that had any.

    Args:
        spec: a `choice` format whose labels are those of train.
        places: the user's rows by the id of their example.

    Raises:
        ConfigError: no row of a split has a label of train, at the first such row.
    """
    fold = str.casefold if spec.get("ignore_case", True) else str
    known = {fold(label) for label in spec["choices"]}
    kept, notes = dict(splits), []
    for split in ("dev", "test"):
        refused = [e for e in splits[split] if fold(as_label(e.target)) not in known]
        if not refused:
            continue
        ids = {example.id for example in refused}
        kept[split] = [example for example in splits[split] if example.id not in ids]
        labels = sorted({as_label(example.target) for example in refused})
        rows = sorted((places[example.id] for example in refused), key=lambda row: row.position)
        if not kept[split]:
            both = f"{split}: {_listed(labels)}; train: {_listed(spec['choices'])}"
            message = f"no row of {split} has a label of train ({both})"
            raise rows[0].error(message, remedy="are the labels of both written alike?")
        notes.append(_line(split, rows, labels))
    return kept, [*notes[:-1], f"{notes[-1]}; {REMEDY}"] if notes else []


def _line(split: str, rows: Sequence[Located], labels: Sequence[str]) -> str:
    """How many rows of a split the choices refuse, and which."""
    return f"left out: {counted(len(rows), 'row')} of {split} ({positions(rows)}): train never has the label {_listed(labels)}"


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(f"'{label}'" for label in labels[:SHOWN])
    return f"{shown} and {len(labels) - SHOWN} more" if len(labels) > SHOWN else shown
