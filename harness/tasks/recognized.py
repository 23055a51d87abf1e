"""Rows of a layout that is known → examples of a new task, for `harness init`.

Rows that the layout refuses are left out, counted and named, unless nearly all are refused: a few odd rows
must not keep a user from a first result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.errors import ConfigError
from harness.core.formatting import counted
from harness.core.values import NO_ANSWER, Document, Example
from harness.tasks import layouts, placed_rows, row_layouts, templates
from harness.tasks.located import Located, Refused, Row, positions
from harness.tasks.row_layouts import NATIVE, Placed

NEARLY_ALL = 0.9
"""Share of unfit rows from which on the whole file is refused; below it the others are used."""
MOST_REASONS = 5
"""Number of reasons that are listed, the most common first."""


@dataclass(frozen=True, kw_only=True)
class Recognized:
    """Examples by split, the corpus that came with them, and lines that tell the user what the rows are."""

    pools: dict[str, list[Placed]]
    documents: tuple[Document, ...]
    notes: tuple[str, ...]


def recognize(parts: Mapping[str, Sequence[Located]]) -> Recognized | None:
    """The examples of rows that have the task file's own columns or a known layout; None for a table.

    Raises:
        ConfigError: rows of a kind that is not supported, or nearly none that fit.
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
        refused: list[Refused] = []
        pools[split] = row_layouts.examples(part, "row" if len(parts) == 1 else split, None, refused)
        silent = layout.nothing_learnt() if layout else ""
        notes += _left_out(split, part, pools[split], refused, silent)
    return Recognized(
        pools=_distinct(pools, notes),
        documents=placed_rows.documents(item for part in pools.values() for item in part),
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
    """The instructions that the rows bring along as system prompts; None if they bring none.

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
    """A sentence for the instructions if some questions have no answer; else an empty text."""
    unanswerable = any(example.target in (NO_ANSWER, []) for example in examples)
    return f" Where there is no answer, say: {NO_ANSWER}" if unanswerable else ""


def _without_system(example: Example) -> Example:
    fields = {name: value for name, value in example.input.items() if name != templates.SYSTEM}
    return replace(example, input=fields)


def _left_out(
    split: str, part: Sequence[Located], placed: Sequence[Placed], refused: Sequence[Refused], silent: str
) -> list[str]:
    """Which rows did not become an example, and why: a line for each reason.

    Args:
        silent: why a row that fits may give no example.

    Raises:
        ConfigError: nearly no row became an example; names the first that did not.
    """
    by_reason: dict[str, list[Refused]] = {}
    for item in refused:
        by_reason.setdefault(item.reason, []).append(item)
    if part and (len(refused) > NEARLY_ALL * len(part) or (refused and not placed)):
        items = max(by_reason.values(), key=len)
        fault = items[0].fault
        share = f"{len(items):,} of {len(part):,}"
        message = fault.message if len(part) == 1 else f"{fault.message}, as in {share} rows"
        raise ConfigError(message, file=fault.file, line=fault.line, remedy=fault.remedy)
    lines = []
    for items in sorted(by_reason.values(), key=len, reverse=True)[:MOST_REASONS]:
        example = items[0]
        remedy = example.fault.remedy or "correct or delete the row"
        lines.append(_line(split, [item.source for item in items], f"{example.reason} — {remedy}"))
    others = len(refused) - sum(len(items) for items in sorted(by_reason.values(), key=len)[-MOST_REASONS:])
    lines += [f"left out: {counted(others, 'row')} more of {split}, for other reasons"] if others else []
    used = {id(row) for item in placed for row in (item.source, *item.joined)}
    used |= {id(item.source) for item in refused}
    unlearnt = [located for located in part if id(located) not in used]
    if unlearnt and not placed:
        raise unlearnt[0].error(f"no row of {split} can be used: {silent}")
    return [*lines, *([_line(split, unlearnt, silent)] if unlearnt else [])]


def _line(split: str, rows: Sequence[Located], reason: str) -> str:
    return f"left out: {counted(len(rows), 'row')} of {split} ({positions(rows)}): {reason}"


def _distinct(pools: dict[str, list[Placed]], notes: list[str]) -> dict[str, list[Placed]]:
    """The examples with new ids if those of the data repeat."""
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
