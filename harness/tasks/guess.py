"""What a table is about, guessed from its column names and values; every guess says so.

The guesses are a start to edit, never a silent decision: `harness init` prints them and writes them
into the task file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import ConfigError, nearest
from harness.core.values import Example
from harness.tasks import infer
from harness.tasks.file import MapFile
from harness.tasks.sources import Located

# fmt: off
TARGETS = (
    "target", "label", "category", "answer", "output", "completion", "response", "intent", "class",
    "sentiment", "label_text", "final_decision", "summary", "expected", "gold", "y",
)
INPUTS = (
    "input", "text", "question", "query", "sentence", "utterance", "instruction", "prompt",
    "message", "content", "body", "title", "context", "passage", "document", "contexts", "choices", "options",
    "premise", "hypothesis", "review",
)
# fmt: on
IDS = ("id", "uid", "uuid", "guid", "idx", "index", "pmid", "example_id", "sample_id")
MAX_CHOICES = 200
MAX_CHOICE_LENGTH = 64
NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?")
"""As JSON writes it: a code such as 007 is a label."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The format of a task's answers: its spec, and what goes with it."""

    spec: dict[str, Any]
    scorers: tuple[str, ...]
    why: str
    instructions: str = ""
    """Empty until they are written for the targets of train."""
    schema: dict[str, Any] | None = None


def columns(rows: Sequence[Located], target: str | None, inputs: Sequence[str]) -> tuple[MapFile, list[str]]:
    """Which columns are input and target, and what was guessed. Named columns are taken as given.

    Raises:
        ConfigError: a named column is missing, or nothing points to a target.
    """
    known = list(rows[0].row)
    for name in (*inputs, *([target] if target else [])):
        if name not in known:
            raise ConfigError(f"no column '{name}'", file=rows[0].file, remedy=nearest(name, known))
    said = []
    if target is None:
        target = _target(rows, [name for name in known if name not in inputs])
        said.append(f"target: column '{target}'")
    if not inputs:
        inputs = _inputs(known, target)
        said.append(f"input: {', '.join(repr(name) for name in inputs)}")
    identity = next((name for name in known if name.lower() in IDS and _unique(rows, name)), None)
    if identity:
        said.append(f"id: column '{identity}'")
    single = inputs[0] if len(inputs) == 1 else None
    fields = {re.sub(r"\W", "_", name): name for name in inputs}
    return MapFile(input=single or fields, target=target, id=identity), said


def answer(examples: Sequence[Example]) -> Answer:
    """The format that fits the targets: objects, numbers, a few short labels, or text."""
    targets = [example.target for example in examples]
    if all(isinstance(as_object(target), dict) for target in targets):
        return _objects(targets)
    if all(_is_number(target) for target in targets):
        return _numbers(targets)
    if any(isinstance(target, list) for target in targets):
        return _texts([str(target) for target in targets])
    texts = [as_label(target) for target in targets]
    distinct = sorted(set(texts))
    short = all(len(text) <= MAX_CHOICE_LENGTH and "\n" not in text for text in distinct)
    if short and len(distinct) <= min(MAX_CHOICES, len(texts) / 4):
        return _choices(distinct)
    return _texts(texts)


def convert(target: Any, spec: dict[str, Any]) -> Any:
    """A target as the guessed format wants it: objects and numbers out of text, labels trimmed.

    A list of texts stays one: several accepted answers.
    """
    if spec["kind"] == "json_schema":
        return as_object(target)
    if spec["kind"] == "number":
        return json.loads(target.strip().removeprefix("+")) if isinstance(target, str) else target
    accepted = isinstance(target, list) and all(isinstance(item, str) for item in target)
    return target if accepted else as_label(target)


def as_object(target: Any) -> Any:
    """The object that a text holds as JSON; anything else as it is."""
    if not (isinstance(target, str) and target.strip().startswith("{")):
        return target
    try:
        return json.loads(target)
    except json.JSONDecodeError:
        return target


def as_label(target: Any) -> str:
    """A target as a text: trimmed; true and false in lower case; lists as JSON."""
    return target.strip() if isinstance(target, str) else json.dumps(target, ensure_ascii=False)


def _target(rows: Sequence[Located], known: Sequence[str]) -> str:
    named = {name.lower(): name for name in known}
    for name in TARGETS:
        if name in named:
            return named[name]
    plain = not any(isinstance(value, list) for located in rows[:100] for value in located.row.values())
    if len(known) == 2 and plain:
        return min(known, key=lambda name: len({str(located.row.get(name)) for located in rows}))
    raise ConfigError(
        f"cannot tell which column is the answer (columns: {', '.join(known)})",
        file=rows[0].file,
        remedy="say it with --target COLUMN",
    )


def _inputs(known: Sequence[str], target: str) -> list[str]:
    others = [name for name in known if name != target and name.lower() not in IDS]
    chosen = [name for name in others if name.lower() in INPUTS] or others
    if not chosen:
        raise ConfigError(f"no column is left for the input beside '{target}'", remedy="--input COLUMN")
    return chosen


def _unique(rows: Sequence[Located], name: str) -> bool:
    values = [located.row.get(name) for located in rows]
    whole = all(value not in (None, "") for value in values)
    return whole and len({str(value) for value in values}) == len(values)


def _is_number(target: Any) -> bool:
    if isinstance(target, str):
        return NUMBER.fullmatch(target.strip()) is not None
    return isinstance(target, int | float) and not isinstance(target, bool)


def _objects(targets: Sequence[Any]) -> Answer:
    schema = infer.schema([as_object(target) for target in targets])
    return Answer(
        spec={"kind": "json_schema", "schema": "schema.json"},
        scorers=("fields", "exact"),
        why="every target is a JSON object; the schema is inferred from all of them",
        schema=schema,
    )


def _numbers(targets: Sequence[Any]) -> Answer:
    distinct = len({str(target).strip() for target in targets})
    hint = f" (only {distinct} distinct: if they are classes, make it a choice)" if distinct <= 10 else ""
    return Answer(
        spec={"kind": "number"},
        scorers=("exact",),
        why=f"every target is a number{hint}",
    )


def _choices(distinct: list[str]) -> Answer:
    folds = len({label.casefold() for label in distinct}) == len(distinct)
    return Answer(
        spec={"kind": "choice", "choices": distinct, **({} if folds else {"ignore_case": False})},
        scorers=("exact",),
        why=f"{len(distinct)} distinct short targets",
    )


def _texts(texts: Sequence[str]) -> Answer:
    words = sorted(len(text.split()) for text in texts)[len(texts) // 2]
    brief = words <= 10
    return Answer(
        spec={"kind": "text"},
        scorers=("f1", "exact", "contains") if brief else ("f1",),
        why=f"targets are free text, {words} words in the median",
    )
