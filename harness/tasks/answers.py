"""What an answer is and how it is judged: a task's format, its scorers, and its targets in that format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from harness.core import guarded
from harness.core.errors import ConfigError, nearest
from harness.core.json_types import JsonObject, JsonValue
from harness.core.kinds import Spec, build
from harness.core.protocols import Format, Scorer
from harness.core.secrets import beginning
from harness.core.values import NO_ANSWER, Example, Parsed
from harness.tasks import json_files, sources, task_file
from harness.tasks.formats._schema import compile_schema
from harness.tasks.row_layouts import Placed
from harness.tasks.task_file import TaskFile

SHORT = 64
"""Characters of the longest target that is remembered while targets are checked."""


def build_format(source: TaskFile, path: Path) -> Format:
    """The task's format; a `schema:` that is a path is read from the task's folder.

    Raises:
        ConfigError: unknown format or setting, or a schema that is missing or is not a schema.
    """
    spec = source.format if isinstance(source.format, str) else source.format.model_dump()
    if isinstance(spec, dict) and isinstance(spec.get("schema"), str):
        spec["schema"] = _schema(sources.within(path.parent, spec["schema"]))
    if isinstance(spec, dict) and "choices" in spec:
        _refuse_bare_words(path)
    form: Format = _built("formats", spec, path, ["format"])
    for scorer in _built_scorers(source, path):
        form = scorer.reading(form)
    return form


def _refuse_bare_words(path: Path) -> None:
    for word, line in task_file.bare_words(path, ["format", "choices"]):
        raise ConfigError(
            f"format.choices: a bare {word} is not text in YAML, but {yaml.safe_load(word)!r}",
            file=path,
            line=line,
            remedy=f"quote it: '{word}'",
        )


def _built(room: str, spec: Spec, path: Path, keys: Sequence[str | int]) -> Any:
    """`core.kinds.build`, with the line of the task file if it fails."""
    try:
        return build(room, spec, file=path)
    except ConfigError as error:
        line = task_file.line_of(path, keys)
        raise ConfigError(error.message, file=path, line=line, remedy=error.remedy) from None


def _schema(path: Path) -> dict[str, object]:
    """A JSON Schema, itself checked."""
    schema = json_files.parsed(sources.read_text(guarded.file(path, limit=guarded.MAX_YAML)), path)
    if not isinstance(schema, dict):
        raise ConfigError("a schema must be an object", file=path)
    try:
        compile_schema(schema)
    except ValueError as error:
        raise ConfigError(str(error), file=path) from None
    return schema


def build_scorers(source: TaskFile, path: Path, form: Format) -> tuple[tuple[Scorer, ...], str]:
    """The task's scorers as they judge values of its format, and the name of the one that decides.

    Raises:
        ConfigError: unknown scorer or setting, one named twice, or a primary that is not one of them.
    """
    scorers = tuple(scorer.for_task(form, path.parent) for scorer in _built_scorers(source, path))
    known = [scorer.name() for scorer in scorers]
    if len(set(known)) < len(known):
        line = task_file.line_of(path, ["scorers"])
        raise ConfigError(f"a scorer is named twice: {', '.join(known)}", file=path, line=line)
    primary = source.primary or known[0]
    if primary not in known:
        line = task_file.line_of(path, ["primary"])
        message = f"primary '{primary}' is not among the scorers"
        raise ConfigError(message, file=path, line=line, remedy=nearest(primary, known))
    return scorers, primary


def _built_scorers(source: TaskFile, path: Path) -> list[Scorer]:
    specs = [spec if isinstance(spec, str) else spec.model_dump() for spec in source.scorers]
    return [_built("scorers", spec, path, ["scorers", i]) for i, spec in enumerate(specs)]


def settle_all(
    placed: Mapping[str, Sequence[Placed]], form: Format
) -> tuple[dict[str, tuple[Example, ...]], list[ConfigError]]:
    """Examples whose targets are values of the format, and the faults of those that are not."""
    faults: list[ConfigError] = []
    settled: dict[str, tuple[Example, ...]] = {}
    known: dict[str, tuple[JsonValue, str]] = {}
    for split, part in placed.items():
        examples = []
        for item in part:
            target, fault = _settled_once(item.example.target, form, known)
            meta = _settled_meta(item.example, form)
            examples.append(_settled_example(item.example, target, meta))
            if fault:
                faults.append(item.source.error(f"target fails the task's format: {fault}"))
        settled[split] = tuple(examples)
    return settled, faults


def _settled_example(example: Example, target: JsonValue, meta: JsonObject) -> Example:
    """The example with what was settled; the same object if nothing changes, which is the usual case."""
    same = target is example.target or (type(target) is str and target == example.target)
    if same and meta is example.meta:
        return example
    return replace(example, target=target, meta=meta)


def _settled_once(
    target: JsonValue, form: Format, known: dict[str, tuple[JsonValue, str]]
) -> tuple[JsonValue, str]:
    """Like `settle`, but a short text that repeats, such as a label, is read once."""
    if not isinstance(target, str) or len(target) > SHORT:
        return settle(target, form)
    if target not in known:
        known[target] = settle(target, form)
    value, fault = known[target]
    return (value, fault) if isinstance(value, str | int | float) else settle(target, form)


def _settled_meta(example: Example, form: Format) -> JsonObject:
    """The meta data with a rejected answer trimmed as targets are; one that is not in the format stays a text."""
    worse = example.meta.get("rejected")
    if worse is None:
        return example.meta
    settled, fault = settle(worse, form)
    if fault:
        settled = worse.strip() if isinstance(worse, str) else worse
    return {**example.meta, "rejected": settled}


def settle(target: JsonValue, form: Format) -> tuple[JsonValue, str]:
    """A target as the format reads it back, and why it does not (empty when it does).

    A cell of a table holds objects and numbers as text; a text becomes the value that the format reads from
    it. An empty list that is not a value of the format means that there is no answer, which counts as an
    answer.
    """
    if target == [] and not _is_value([], form):
        return settle(NO_ANSWER, form)
    if isinstance(target, list | tuple) and target and _accepts_several(target, form):
        return [_settled_answer(answer, form) for answer in target], ""
    if isinstance(target, str):
        direct = form.parse(target)
        if isinstance(direct, Parsed) and isinstance(direct.value, dict | list):
            return direct.value, ""
    try:
        answer = form.render(target)
        parsed = form.parse(answer)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        return target, f"{error} (got {_short(target)})"
    if isinstance(parsed, Parsed):
        return (parsed.value if isinstance(target, str) else target), ""
    at = f" at {parsed.path}" if parsed.path else ""
    return target, f"{parsed.reason}{at} (got {_short(answer)})"


def _settled_answer(answer: JsonValue, form: Format) -> JsonValue:
    """One of several accepted answers; a text that would only lose white space stays as written."""
    value = settle(answer, form)[0]
    return answer if isinstance(answer, str) and value == answer.strip() else value


def _accepts_several(target: Sequence[object], form: Format) -> bool:
    """Whether a list holds accepted answers, each a value of the format, and is not a value itself."""
    try:
        own = form.parse(json.dumps(target, ensure_ascii=False))
    except (TypeError, ValueError):
        return False
    if isinstance(own, Parsed) and isinstance(own.value, list):
        return False
    return all(isinstance(answer, str | int | float) and not settle(answer, form)[1] for answer in target)


def _is_value(target: JsonValue, form: Format) -> bool:
    """Whether a target can be written in the format and read back."""
    try:
        return isinstance(form.parse(form.render(target)), Parsed)
    except (TypeError, ValueError, LookupError, ArithmeticError):
        return False


def _short(value: object) -> str:
    return beginning(repr(value), 80)
