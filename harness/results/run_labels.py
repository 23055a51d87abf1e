"""The names of runs in tables and reports, and which of them are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from harness.core.keys import digest
from harness.results import likeness
from harness.results.records.run import CellRecord, RunRecord

IMPORTED, BESIDE = "imported", "imported beside own"
"""The label under which runs of other tools are listed in place of a model: there the models are compared."""
RecordT = TypeVar("RecordT", bound=CellRecord)


def members(records: Sequence[RecordT]) -> dict[tuple[str, str], list[RecordT]]:
    """(task, model) → the runs that are reported and compared there. Our own runs of a task that other tools
    ran too are in two places: under their model, and beside the imported systems."""
    apart, together = places(records), places(records, together=True)
    groups: dict[tuple[str, str], list[RecordT]] = {}
    for record in records:
        for question in dict.fromkeys((apart[record.id], together[record.id])):
            groups.setdefault(question, []).append(record)
    return groups


def places(records: Sequence[CellRecord], *, together: bool = False) -> dict[str, tuple[str, str]]:
    """Run id → (task, model) that it is reported under, so that only comparable runs are listed together.

    If one spec stands for several models (different weights), a mark of the weights follows the name; a task
    whose primary score was computed in several ways (other scorers, format, version or data) gets a mark of
    the way. Runs of other tools are in one place per task, where the models are compared.

    Args:
        together: list our own runs of the same task and scoring beside the imported ones instead of under
            their model.
    """
    ran = [record for record in records if isinstance(record, RunRecord) and record.has_answers]
    finished: Sequence[CellRecord] = ran or records
    models = likeness.model_names([r.model for r in records], [r.model for r in finished])
    ended = {record.id for record in finished}
    about = [record.task for record in records]
    data = [(task.name, task.primary, task.version, task.data_hash) for task in about]
    marks = [
        digest([*data_key, way])[:4] for data_key, way in zip(data, likeness.ways(data, about), strict=True)
    ]
    several: dict[str, set[str]] = {}
    for record, mark in zip(records, marks, strict=True):
        if record.id in ended:
            several.setdefault(record.task.name, set()).add(mark)
    names = [_task_name(record.task.name, mark, several) for record, mark in zip(records, marks, strict=True)]
    sides: dict[str, set[bool]] = {}
    for name, record in zip(names, records, strict=True):
        sides.setdefault(name, set()).add(record.imported is not None)
    foreign = {name: BESIDE if len(both) > 1 else IMPORTED for name, both in sides.items() if True in both}
    return {
        record.id: (name, foreign.get(name, model) if together or record.imported is not None else model)
        for record, name, model in zip(records, names, models, strict=True)
    }


def _task_name(name: str, mark: str, several: Mapping[str, set[str]]) -> str:
    return f"{name} ·scored {mark}" if len(several.get(name, ())) > 1 else name


def labels(records: Iterable[CellRecord], *, together: bool = False) -> dict[str, str]:
    """Run id → what the run's recipe is called in tables.

    A point of a label curve has its number of labels. Recipes that share a name but not their
    settings or test rows get a mark: they are different methods, and in one row their seeds
    would be taken for noise.

    Args:
        together: name our own runs as beside imported ones, with their model after the recipe.
    """
    plain: dict[str, str] = {}
    marks: dict[str, str] = {}
    kinds: dict[tuple[str, str, str], set[str]] = {}
    known = list(records)
    where = places(known, together=together)
    for record in known:
        id, count, name = record.id, record.labels, record.recipe.name
        plain[id] = name if count is None else f"{name} (n={count})"
        if where[id][1] == BESIDE and record.imported is None:
            plain[id] += f" · {record.model.spec}"
        # Runs of format 1 were asked the first examples of the file; since then a smaller sample is part of a
        # larger one.
        asked = [record.format, record.limit if record.format == 1 else None, record.split]
        marks[id] = digest([list(record.recipe.slots.values()), asked])
        entry = (*where[id], plain[id])
        kinds.setdefault(entry, set()).add(marks[id])
    shared = {name for (_, _, name), known_marks in kinds.items() if len(known_marks) > 1}
    return {id: f"{name} ·{marks[id][:4]}" if name in shared else name for id, name in plain.items()}
