"""Rows of a layout that is known → examples of a new task, for `harness init`.

Rows that the layout refuses are left out and reported, as long as they are few: one odd row in ten thousand
must not keep a user from a first result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.errors import ConfigError
from harness.core.values import NO_ANSWER, Document, Example
from harness.tasks import layouts, row_layouts, templates
from harness.tasks.located import Located, Row
from harness.tasks.row_layouts import NATIVE, Placed

MOST_REFUSED = 0.1
"""Share of rows that may be left out because they do not fit the layout."""


@dataclass(frozen=True, kw_only=True)
class Recognized:
    """Examples by split, the corpus that came with them, and lines that tell the user what the rows are."""

    pools: dict[str, list[Placed]]
    documents: tuple[Document, ...]
    notes: tuple[str, ...]


def recognize(parts: Mapping[str, Sequence[Located]]) -> Recognized | None:
    """The examples of rows that have the task file's own columns or a known layout; None for a table.

    Raises:
        ConfigError: rows of a kind that is not supported, or more than a tenth that do not fit.
    """
    everything = [located for part in parts.values() for located in part]
    native = row_layouts.is_native(everything[0].row)
    layout = None if native else layouts.detect(everything)
    if layout is None and not native:
        if reason := layouts.unsupported(everything[0].row):
            raise everything[0].error(*reason)
        return None
    title = layout.title if layout else "native"
    if _has_other_columns(everything[0].row, title):
        return None
    notes = [f"rows: layout '{title}'", *(layout.explain(everything[:1000]) if layout else [])]
    pools: dict[str, list[Placed]] = {}
    for split, part in parts.items():
        refused: list[ConfigError] = []
        pools[split] = row_layouts.examples(part, "row" if len(parts) == 1 else split, None, refused)
        notes += _left_out(split, part, pools[split], refused)
    return Recognized(
        pools=_distinct(pools, notes),
        documents=row_layouts.documents(item for part in pools.values() for item in part),
        notes=tuple(notes),
    )


OWN = {"native": NATIVE, "prompt/completion": ("prompt", "completion", "id", "system", "tools")}
"""The columns that a layout of plain texts knows."""


def _has_other_columns(row: Row, title: str) -> bool:
    """Whether a row of plain texts has columns that its layout would not show to the model."""
    texts = all(
        not isinstance(row.get(key), dict | list) for key in ("input", "prompt", "completion", "meta")
    )
    return title in OWN and texts and not set(row) <= {*OWN[title]}


def instructions(examples: Iterable[Example]) -> str | None:
    """The instructions that the rows bring along as system prompts; None where they bring none.

    A prompt that all rows share is written out; otherwise each row's own is shown to the model.
    """
    field_sets = [example.input for example in examples]
    texts = {str(fields.get(templates.SYSTEM, "")) for fields in field_sets}
    if texts <= {""}:
        return None
    if len(texts) > 1:
        return templates.default_instructions(field_sets)
    text = texts.pop().strip()
    return f"{{% raw %}}{text}{{% endraw %}}" if any(mark in text for mark in ("{{", "{%", "{#")) else text


def without_shared_system(pools: Mapping[str, Sequence[Example]]) -> dict[str, list[Example]]:
    """The examples without the field of a system prompt that all of them share."""
    texts = {str(e.input.get(templates.SYSTEM, "")) for part in pools.values() for e in part}
    return {
        split: [_without_system(e) for e in part] if len(texts) == 1 else list(part)
        for split, part in pools.items()
    }


def about_no_answer(examples: Iterable[Example]) -> str:
    """A sentence for the instructions where some questions have no answer; else an empty text."""
    unanswerable = any(example.target in (NO_ANSWER, []) for example in examples)
    return f" Where there is no answer, say: {NO_ANSWER}" if unanswerable else ""


def _without_system(example: Example) -> Example:
    fields = {name: value for name, value in example.input.items() if name != templates.SYSTEM}
    return replace(example, input=fields)


def _left_out(
    split: str, part: Sequence[Located], placed: Sequence[Placed], refused: Sequence[ConfigError]
) -> list[str]:
    """Which rows became no example, and why.

    Raises:
        ConfigError: the first fault, where the faults are more than a tenth of the rows.
    """
    empty = [
        fault
        for fault in refused
        if fault.message.endswith((row_layouts.EMPTY_INPUT, row_layouts.EMPTY_TARGET))
    ]
    odd = [fault for fault in refused if fault not in empty]
    if len(odd) > MOST_REFUSED * len(part) or (refused and not placed):
        raise (odd or refused)[0]
    lines = []
    if odd:
        lines.append(f"left out: {_rows(len(odd))} of {split} that do not fit, such as {odd[0]}")
    if empty:
        lines.append(f"left out: {_rows(len(empty))} of {split} without input or target, such as {empty[0]}")
    used = {id(item.source) for item in placed}
    silent = len(part) - len(used) - len(refused)
    if silent > 0:
        lines.append(f"left out: {_rows(silent)} of {split} without an answer to learn")
    return lines


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"


def _distinct(pools: dict[str, list[Placed]], notes: list[str]) -> dict[str, list[Placed]]:
    """The examples with ids of their own where those of the data repeat."""
    ids = [item.example.id for part in pools.values() for item in part]
    if len(set(ids)) == len(ids):
        return pools
    notes.append(f"id: not taken from the data, where {len(ids) - len(set(ids)):,} repeat another row's")
    prefix = {split: "row" if len(pools) == 1 else split for split in pools}
    return {
        split: [
            replace(item, example=replace(item.example, id=f"{prefix[split]}-{number}"))
            for number, item in enumerate(part, start=1)
        ]
        for split, part in pools.items()
    }
