"""Rows → examples: by the task's `map`, or by a layout that is recognized and named in the log."""

from __future__ import annotations

import difflib
import itertools
import json
import keyword
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

from harness.core import tools
from harness.core.errors import ConfigError, nearest
from harness.core.json_types import JsonValue
from harness.core.values import Document, Example, Message
from harness.tasks import layouts
from harness.tasks.layouts import Converted
from harness.tasks.layouts import _conversation as conversation
from harness.tasks.located import Located, Refused, Row
from harness.tasks.task_file import Columns, MapFile
from harness.tasks.templates import SYSTEM

log = logging.getLogger(__name__)

EMPTY_INPUT, EMPTY_TARGET = "the input is empty", "the target is empty"
NO_META: dict[str, JsonValue] = {}
"""One value that all rows without any share: there may be a million of them."""
SHORT = 32
"""Characters below which equal targets are kept once: labels repeat in every row."""
NATIVE = ("id", "input", "target", "turns", "tools", "context_ids", "group", "meta")


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """An example and the row it came from, so that a fault in it can be found; and the documents
    of the corpus that the row brings along."""

    example: Example
    source: Located
    documents: tuple[Document, ...] = ()
    joined: tuple[Located, ...] = ()
    """Other rows that went into the example."""


def examples(
    rows: Iterable[Located],
    split: str,
    mapping: MapFile | None,
    refused: list[Refused] | None = None,
) -> list[Placed]:
    """The examples in `rows`; rows without an id get `<split>-<row number>`.

    Args:
        rows: read one after another if they are mapped or have the task file's own columns.
        refused: takes the faults of rows that cannot be read, so that the others are read anyway.

    Raises:
        ConfigError: a missing column (with the nearest), or a row that does not fit the layout.
    """
    return list(each(rows, split, mapping, refused))


def each(
    rows: Iterable[Located], split: str, mapping: MapFile | None, refused: list[Refused] | None = None
) -> Iterator[Placed]:
    """Like `examples`, one after another."""
    numbers = _numbers(rows) if isinstance(rows, Sequence) else {}
    for located, part in _read(rows, mapping, refused):
        number = numbers.get(id(located), located.number)
        for count, item in enumerate(part, start=1):
            default = f"{split}-{number}.{count}" if len(part) > 1 else f"{split}-{number}"
            with _collected(refused, located):
                yield _placed(item, located, default)


def _numbers(rows: Sequence[Located]) -> dict[int, int]:
    """Numbers of rows over several files, by their identity; none if one file numbers them."""
    several_files = len({located.file for located in rows}) > 1
    return {id(located): i for i, located in enumerate(rows, 1)} if several_files else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Native:
    """An example as a row of the native layout, and what else came with it."""

    row: Row
    documents: tuple[Document, ...] = ()
    joined: tuple[Located, ...] = ()


def _read(
    stream: Iterable[Located], mapping: MapFile | None, refused: list[Refused] | None
) -> Iterator[tuple[Located, list[_Native]]]:
    """Each row with the examples in it, as rows of the native layout."""
    waiting = iter(stream)
    first = next(waiting, None)
    if first is None:
        return
    if mapping is not None or is_native(first.row):
        for located in itertools.chain([first], waiting):
            with _collected(refused, located):
                yield located, [_Native(row=_mapped(located, mapping) if mapping else _native(located))]
        return
    sample = [first, *itertools.islice(waiting, layouts.SAMPLE - 1)]
    layout = layouts.detect(sample)
    if layout is None:
        raise _unmapped(first)
    if refused is None:  # `init` says it with the rest
        log.warning("%s: detected rows of %s", first.file, layout.title)
    pairs = _converted(layout, itertools.chain(sample, waiting), refused)
    for _, group in itertools.groupby(layout.combine(pairs), key=lambda pair: pair[0].position_in_file):
        part = list(group)
        yield (
            part[0][0],
            [_Native(row=c.row(), documents=c.documents, joined=c.joined) for _, c in part],
        )


def _converted(
    layout: layouts.Layout, rows: Iterable[Located], refused: list[Refused] | None
) -> Iterator[tuple[Located, Converted]]:
    for located in rows:
        converted: Sequence[Converted] = ()
        with _collected(refused, located):
            converted = layout.convert(located)
        for one in converted:
            yield located, one


def _collected(refused: list[Refused] | None, located: Located) -> AbstractContextManager[None]:
    """Keep a row's fault in `refused`, if there is such a list."""
    return _RAISED if refused is None else _kept(refused, located)


@contextmanager
def _kept(refused: list[Refused], located: Located) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        refused.append(Refused(source=located, fault=error))


_RAISED = nullcontext()


_NATIVE = frozenset(NATIVE)


def is_native(row: Row) -> bool:
    """Whether a row has the task file's own columns."""
    return "input" in row and "target" in row and not conversation.awaits_answer(row["input"])


def _unmapped(located: Located) -> ConfigError:
    if reason := layouts.unsupported(located.row):
        return located.error(*reason)
    missing = "target" if "input" in located.row else "input"
    remedy = f"{nearest(missing, located.row)}; say which is which under data: map: {{input: …, target: …}}"
    return located.error(f"no column '{missing}'", remedy=remedy)


def _placed(item: _Native, located: Located, default: str) -> Placed:
    """An example from a row that has the native layout; `default` is its id if it has none."""
    row = item.row
    identity = row.get("id")
    group = row.get("group")
    example = Example(
        id=default if identity in (None, "") else str(identity),
        input=_fields(row["input"], located),
        target=_target(row["target"], located),
        context_ids=_ids(row.get("context_ids"), located),
        group=None if group in (None, "") else str(group),
        meta=row.get("meta") or NO_META,
        turns=_turns(row.get("turns"), located),
        tools=tools.written(row["tools"]) if row.get("tools") else "",
    )
    return Placed(example=example, source=located, documents=item.documents, joined=item.joined)


def _mapped(located: Located, mapping: MapFile) -> Row:
    single = isinstance(mapping.input, str)
    optional = {"id": mapping.id, "group": mapping.group, "turns": mapping.turns, "tools": mapping.tools}
    fields = {"input": column(located, mapping.input)} if single else _columns(located, mapping.input)
    system = {"system": column(located, mapping.system)} if mapping.system else {}
    rejected = {"rejected": column(located, mapping.rejected)} if mapping.rejected else {}
    return {
        "input": {**system, **fields},
        "target": _columns(located, mapping.answer),
        "meta": {**{name: column(located, name) for name in mapping.meta}, **rejected},
        **{key: column(located, name) for key, name in optional.items() if name is not None},
        **({"context_ids": listed(column(located, mapping.context_ids))} if mapping.context_ids else {}),
    }


def listed(value: object) -> Any:
    """The ids in a cell of a table: a JSON list, or separated by semicolons."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return [part.strip() for part in value.split(";") if part.strip()]


def _columns(located: Located, columns: Columns) -> Any:
    """One column's value, or an object of several."""
    if isinstance(columns, str):
        return column(located, columns)
    named = columns if isinstance(columns, dict) else {name: name for name in columns}
    return {field: column(located, name) for field, name in named.items()}


def column(located: Located, name: Columns) -> Any:
    """The value of a column; a dotted name that is not a column reaches into objects and lists.

    Raises:
        ConfigError: no such column, with the nearest.
    """
    value = reach(located.row, str(name), missing=_MISSING)
    if value is _MISSING:
        raise located.error(f"no column '{name}'", remedy=nearest(str(name), located.row))
    return value


def reach(row: Row, name: str, missing: object = None) -> Any:
    """The value of a column, or of a dotted path into objects and lists; `missing` if there is none."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return missing
    return value


_MISSING = object()


def _native(located: Located) -> Row:
    row = located.row
    for key in ("input", "target"):
        if key not in row:
            raise located.error(f"no '{key}'", remedy=nearest(key, row))
    extra = {key: value for key, value in row.items() if key not in NATIVE} if row.keys() - _NATIVE else {}
    for key in extra:
        if close := difflib.get_close_matches(key, set(NATIVE) - set(row), n=1, cutoff=0.8):
            remedy = f"did you mean '{close[0]}'? other columns go under 'meta'"
            raise located.error(f"unknown key '{key}'", remedy=remedy)
    meta = row.get("meta") or {}
    if not isinstance(meta, dict):
        raise located.error(f"'meta' must be an object (got {meta!r})")
    return {**row, "meta": {**meta, **extra}} if extra else row


def _fields(value: object, located: Located) -> dict[str, JsonValue]:
    fields = cast("dict[str, JsonValue]", value if isinstance(value, dict) else {"input": value})
    if len(fields) == 1 and "input" in fields and fields["input"] not in (None, ""):
        return fields
    shown = [item for name, item in fields.items() if name != SYSTEM]
    if not shown or (set(fields) <= {"input", SYSTEM} and shown[0] in (None, "")):
        raise located.error(EMPTY_INPUT, remedy="leave the row out, or write what is asked")
    for name in fields:
        if not str(name).isidentifier() or keyword.iskeyword(name):
            remedy = "rename it: map: {input: {good_name: column}}"
            raise located.error(f"input field '{name}' cannot be a name in a template", remedy=remedy)
    # Each line of JSON brings its own copies of the names.
    return {sys.intern(name): item for name, item in fields.items()}


def _target(value: object, located: Located) -> Any:
    if value is None or value == "":
        raise located.error(EMPTY_TARGET, remedy="leave the row out, or label it")
    return sys.intern(value) if type(value) is str and len(value) < SHORT else value


def _turns(value: object, located: Located) -> tuple[Message, ...]:
    """Earlier turns: messages of user and assistant."""
    if value in (None, ""):
        return ()
    if isinstance(value, tuple):
        return value
    turns = conversation.parse(value, located, column="turns")
    if any(turn.role == "system" for turn in turns):
        raise located.error("a system message among 'turns'", remedy="make it a field of the input: system")
    return conversation.merged(turns)


def _ids(value: object, located: Located) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list) or item is None for item in items):
        raise located.error(f"'context_ids' must be a list of ids (got {value!r})")
    return tuple(str(item) for item in items)
