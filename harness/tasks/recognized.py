"""Rows of a layout that is known → examples of a new task, for `harness init`.

Rows that the layout refuses are left out, counted and named, unless nearly all are refused: a few odd rows
must not keep a user from a first result.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.errors import ConfigError
from harness.core.formatting import counted
from harness.core.values import NO_ANSWER, Document, Example
from harness.tasks import layouts, placed_rows, row_layouts, templates
from harness.tasks.located import Located, Refused, Row, positions
from harness.tasks.placed_rows import PlacedRows, Positions
from harness.tasks.row_layouts import NATIVE, Placed

NEARLY_ALL = 0.9
"""Share of unfit rows from which on the whole file is refused; below it the others are used."""
MOST_REASONS = 5
"""Number of reasons that are listed, the most common first."""


@dataclass(frozen=True, kw_only=True)
class Recognized:
    """Examples by split, the corpus that came with them, and lines that tell the user what the rows are."""

    pools: dict[str, PlacedRows]
    documents: tuple[Document, ...]
    notes: tuple[str, ...]


def recognize(parts: Mapping[str, list[Located]], *, keep_rows: bool = True) -> Recognized | None:
    """The examples of rows that have the task file's own columns or a known layout; None for a table.

    Args:
        parts: the rows of each split.
        keep_rows: False empties the lists in `parts`, unless None is returned: a million rows take as much
            memory as their examples.

    Raises:
        ConfigError: rows of a kind that is not supported, or nearly none that fit.
    """
    everything = [located for part in parts.values() for located in part[: layouts.SAMPLE]]
    shown = list(itertools.islice(itertools.chain.from_iterable(parts.values()), 1000))
    native = row_layouts.is_native(everything[0].row)
    layout = None if native else layouts.detect(everything)
    if layout is None and not native:
        if reason := layouts.unsupported(everything[0].row):
            raise everything[0].error(*reason)
        return None
    title = layout.title if layout else "native"
    if _has_other_columns(everything[0].row, title):
        return None
    notes = [f"rows: layout '{title}'", *(layout.explain(shown) if layout else [])]
    pools: dict[str, PlacedRows] = {}
    for split, part in parts.items():
        refused: list[Refused] = []
        positions = Positions(part)
        rows = part if keep_rows else placed_rows.streamed(part)
        name = "row" if len(parts) == 1 else split
        pools[split] = PlacedRows(row_layouts.each(rows, name, None, refused), keep_rows=keep_rows)
        silent = layout.nothing_learnt() if layout else ""
        notes += _left_out(WHOLE if len(parts) == 1 else split, positions, pools[split], refused, silent)
    return Recognized(
        pools=_distinct(pools, notes),
        documents=placed_rows.documents(pools.values()),
        notes=tuple(notes),
    )


WHOLE = "the data"
"""What rows are of where nothing divides them into splits yet."""
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
    # A person reads a raw block better than a literal, but a text may end the block itself.
    marked = any(mark in text for mark in ("{{", "{%", "{#"))
    readable = marked and "endraw" not in text
    return f"{{% raw %}}{text}{{% endraw %}}" if readable else templates.literal(text)


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
    if templates.SYSTEM not in example.input:
        return example
    fields = {name: value for name, value in example.input.items() if name != templates.SYSTEM}
    return replace(example, input=fields)


def _left_out(
    split: str, part: Positions, placed: Sequence[Placed], refused: Sequence[Refused], silent: str
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
    if not silent:  # each row is an example, or refused
        return lines
    used: dict[str, set[int]] = {}
    sources = [row for one in placed for row in (one.source, *one.joined)]
    for row in (*sources, *(one.source for one in refused)):
        used.setdefault(row.file, set()).add(row.number)
    unlearnt = [located for located in part if located.number not in used.get(located.file, ())]
    if unlearnt and not placed:
        raise unlearnt[0].error(f"no row of {split} can be used: {silent}")
    return [*lines, *([_line(split, unlearnt, silent)] if unlearnt else [])]


def _line(split: str, rows: Sequence[Located], reason: str) -> str:
    return f"left out: {counted(len(rows), 'row')} of {split} ({positions(rows)}): {reason}"


def _distinct(pools: dict[str, PlacedRows], notes: list[str]) -> dict[str, PlacedRows]:
    """The examples with new ids if those of the data repeat."""
    total = sum(map(len, pools.values()))
    distinct = len({example.id for part in pools.values() for example in part.examples})
    if distinct == total:
        return pools
    notes.append(f"id: not taken from the data, where {total - distinct:,} repeat another row's")
    prefix = {split: "row" if len(pools) == 1 else split for split in pools}
    return {
        split: part.changed(
            replace(example, id=f"{prefix[split]}-{number}")
            for number, example in enumerate(part.examples, start=1)
        )
        for split, part in pools.items()
    }
