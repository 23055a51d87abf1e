"""Rows → examples: by the task's `map`, or by a layout that is recognised and named in the log."""

from __future__ import annotations

import difflib
import json
import keyword
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import nearest
from harness.core.values import Example
from harness.tasks.file import Columns, MapFile
from harness.tasks.sources import Located, Row

log = logging.getLogger(__name__)

NATIVE = ("id", "input", "target", "context_ids", "group", "meta")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An example and the row it came from, so that what is wrong with it can be found."""

    example: Example
    source: Located


def examples(rows: Sequence[Located], split: str, mapping: MapFile | None) -> list[Placed]:
    """The examples in `rows`; where rows carry no id, `<split>-<row number>` is one.

    Raises:
        ConfigError: a missing column (with the nearest), or a row that does not fit the layout.
    """
    if not rows:
        return []
    layout = "map" if mapping else _unmapped(rows[0])
    if layout not in ("map", "native"):
        log.warning("%s: detected rows of %s", rows[0].file, layout)
    read = (lambda located: _mapped(located, mapping)) if mapping else LAYOUTS[layout]
    return [_placed(read(located), located, split) for located in rows]


def detect(row: Row) -> str | None:
    """The layout of a row: native, messages, prompt/completion or chosen/rejected; None for none of these."""
    if "input" in row and "target" in row:
        return "native"
    if "messages" in row:
        return "messages"
    if "prompt" in row and "completion" in row:
        return "prompt/completion"
    if "chosen" in row and "rejected" in row and ("prompt" in row or isinstance(row["chosen"], list)):
        return "chosen/rejected"
    return None


def _unmapped(located: Located) -> str:
    layout = detect(located.row)
    if layout is not None:
        return layout
    missing = "target" if "input" in located.row else "input"
    remedy = f"{nearest(missing, located.row)}; say which is which under data: map: {{input: …, target: …}}"
    raise located.error(f"no column '{missing}'", remedy=remedy)


def _placed(row: Row, located: Located, split: str) -> Placed:
    """An example from a row that has the native layout."""
    identity = row.get("id")
    group = row.get("group")
    example = Example(
        id=f"{split}-{located.number}" if identity in (None, "") else str(identity),
        input=_fields(row["input"], located),
        target=_target(row["target"], located),
        context_ids=_ids(row.get("context_ids"), located),
        group=None if group in (None, "") else str(group),
        meta=row.get("meta") or {},
    )
    return Placed(example=example, source=located)


def _mapped(located: Located, mapping: MapFile | None) -> Row:
    assert mapping is not None
    single = isinstance(mapping.input, str)
    optional = {"id": mapping.id, "group": mapping.group}
    return {
        "input": {"input": column(located, mapping.input)} if single else _columns(located, mapping.input),
        "target": _columns(located, mapping.target),
        "meta": {name: column(located, name) for name in mapping.meta},
        **{key: column(located, name) for key, name in optional.items() if name is not None},
        **({"context_ids": _listed(column(located, mapping.context_ids))} if mapping.context_ids else {}),
    }


def _listed(value: Any) -> Any:
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
    """The value of a column; a dotted name that is no column reaches into objects and lists.

    Raises:
        ConfigError: no such column, with the nearest.
    """
    value = reach(located.row, str(name), missing=_MISSING)
    if value is _MISSING:
        raise located.error(f"no column '{name}'", remedy=nearest(str(name), located.row))
    return value


def reach(row: Row, name: str, missing: Any = None) -> Any:
    """The value of a column, or of a dotted path into objects and lists; `missing` where there is none."""
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
    extra = {key: value for key, value in row.items() if key not in NATIVE}
    for key in extra:
        if close := difflib.get_close_matches(key, set(NATIVE) - set(row), n=1, cutoff=0.8):
            remedy = f"did you mean '{close[0]}'? other columns go under 'meta'"
            raise located.error(f"unknown key '{key}'", remedy=remedy)
    meta = row.get("meta") or {}
    if not isinstance(meta, dict):
        raise located.error(f"'meta' must be an object (got {meta!r})")
    return {**row, "meta": {**meta, **extra}}


def _messages(located: Located) -> Row:
    return _conversation(located.row["messages"], located)


def _completion(located: Located) -> Row:
    prompt, answer = located.row["prompt"], located.row["completion"]
    return _pair(prompt, answer, located)


def _preference(located: Located) -> Row:
    row = located.row
    pair = _pair(row.get("prompt", []), row["chosen"], located)
    rejected = row["rejected"]
    text = _content(rejected[-1], located) if isinstance(rejected, list) and rejected else rejected
    return {**pair, "meta": {"rejected": text}}


def _pair(prompt: Any, answer: Any, located: Located) -> Row:
    """A prompt and an answer, each a text or a list of messages."""
    if isinstance(prompt, str) and isinstance(answer, str):
        return {"input": prompt, "target": answer}
    before = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    after = [{"role": "assistant", "content": answer}] if isinstance(answer, str) else answer
    if not isinstance(before, list) or not isinstance(after, list):
        raise located.error("a prompt and its answer must be texts or lists of messages")
    return _conversation([*before, *after], located)


def _conversation(messages: Any, located: Located) -> Row:
    """The last assistant turn is the target; what came before it is the input."""
    if not isinstance(messages, list) or len(messages) < 2:
        raise located.error("'messages' must be a list that ends with a question and its answer")
    turns = [(_role(message, located), _content(message, located)) for message in messages]
    if turns[-1][0] != "assistant":
        raise located.error(f"the last message is from '{turns[-1][0]}'", remedy="it must be the assistant's")
    system = "\n".join(content for role, content in turns if role == "system")
    before = [(role, content) for role, content in turns[:-1] if role != "system"]
    if not before:
        raise located.error("no message from the user before the answer")
    text = before[0][1] if len(before) == 1 else "\n".join(f"{role}: {content}" for role, content in before)
    fields = {"system": system, "input": text} if system else {"input": text}
    return {"input": fields, "target": turns[-1][1]}


def _role(message: Any, located: Located) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in ("system", "user", "assistant"):
        raise located.error(f"a message's role must be system, user or assistant (got {role!r})")
    return str(role)


def _content(message: Any, located: Located) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        raise located.error(f"a message's content must be a text (got {content!r})")
    return content


def _fields(value: Any, located: Located) -> dict[str, Any]:
    fields = value if isinstance(value, dict) else {"input": value}
    if not fields or (not isinstance(value, dict) and value in (None, "")):
        raise located.error("the input is empty")
    for name in fields:
        if not str(name).isidentifier() or keyword.iskeyword(name):
            remedy = "rename it: map: {input: {good_name: column}}"
            raise located.error(f"input field '{name}' cannot be a name in a template", remedy=remedy)
    return fields


def _target(value: Any, located: Located) -> Any:
    if value is None or value == "":
        raise located.error("the target is empty", remedy="leave the row out, or label it")
    return value


def _ids(value: Any, located: Located) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list) or item is None for item in items):
        raise located.error(f"'context_ids' must be a list of ids (got {value!r})")
    return tuple(str(item) for item in items)


LAYOUTS: dict[str, Callable[[Located], Row]] = {
    "native": _native,
    "messages": _messages,
    "prompt/completion": _completion,
    "chosen/rejected": _preference,
}


def unique_ids(placed: Sequence[Placed]) -> None:
    """Check that no two examples of a task share an id.

    Raises:
        ConfigError: the second row of a duplicated id, naming the first.
    """
    seen: dict[str, Located] = {}
    for item in placed:
        first = seen.setdefault(item.example.id, item.source)
        if first is not item.source:
            where = f"{first.file}:{first.line}" if first.line else f"{first.file} row {first.number}"
            remedy = "ids must differ over all splits; leave 'id' out to have them made"
            raise item.source.error(f"duplicate id '{item.example.id}', first at {where}", remedy=remedy)
