"""The lines of lm-eval's `samples_*.jsonl`: what is read from them, as answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.core.keys import canonical_json
from harness.imports import chat, json_files
from harness.imports.json_files import list_of
from harness.imports.sample import ForeignSample
from harness.imports.scores import number

Scores = dict[str, float | None]
Scored = tuple[str, str, str]
"""A filter, the field that holds its score in a line, and what the score is called."""


class Settings(msgspec.Struct, gc=False):
    """Generation settings, of which nothing is read."""


class Request(msgspec.Struct, gc=False):
    """What the model was asked: a prompt, then a continuation or generation settings."""

    arg_0: object = None
    arg_1: str | Settings | None = None


class Numbered(msgspec.Struct, gc=False):
    """Which document a line is about, and under which filter."""

    doc_id: object = None
    filter: object = "none"


class Line(Numbered, gc=False):
    """A document's answer under one filter.

    Fields that nothing here needs are skipped while a line is decoded, and what only some need stays as it is
    written (`Raw`): a log has millions of lines. In a line with another shape every field holds a plain value.
    """

    doc: msgspec.Raw = json_files.NULL
    target: object = None
    arguments: dict[str, Request | list[object]] | list[object] | None = None
    resps: object = None
    filtered_resps: msgspec.Raw = json_files.NULL
    doc_hash: object = None


Kind = TypeVar("Kind", bound=Numbered)


class Fields(msgspec.Struct, gc=False):
    """What a line says that it holds."""

    filter: object = "none"
    metrics: object = None


def read(
    file: Path,
    scored: Sequence[Scored],
    base: type[Kind],
    lines: Iterable[tuple[int, bytes]] | None = None,
) -> Iterator[tuple[Kind, str, Scores]]:
    """Each line as a `base`, with its filter and the scores of that filter.

    Args:
        lines: only these, with their numbers.

    Raises:
        ConfigError: a line that is not a JSON object, or a metric whose name no field can have.
    """
    for _, field, _ in scored:
        if not field.isprintable() or '"' in field or "\\" in field:  # msgspec refuses to rename a field so
            what = f"a metric is called {field!r}, which holds a quotation mark, a backslash or a control character"
            raise ConfigError(what, file=file, remedy="rename the metric in the task and run lm_eval again")
    attributes = {field: _attribute(index, field, base) for index, (_, field, _) in enumerate(scored)}
    kind = _with_fields(attributes, base)
    by_filter: dict[str, list[tuple[str, attrgetter[object]]]] = {}
    for kept, field, name in scored:
        by_filter.setdefault(kept, []).append((name, attrgetter(attributes[field])))
    records = json_files.records(file, kind) if lines is None else json_files.records_of(lines, file, kind)
    for line in records:
        kept = line.filter if type(line.filter) is str else str(line.filter)
        scores: Scores = {}
        for name, value in by_filter.get(kept, ()):
            scores[name] = number(value(line))
        yield line, kept, scores


def _attribute(index: int, field: str, base: type[Kind]) -> str:
    """The attribute that holds a field; a metric's name may be any text."""
    return field if field in base.__struct_fields__ else f"score_{index}"


def _with_fields(attributes: Mapping[str, str], base: type[Kind]) -> type[Kind]:
    """Lines with the fields of some metrics."""
    own = [
        (attribute, object, msgspec.field(default=None, name=field))
        for field, attribute in attributes.items()
        if field not in base.__struct_fields__
    ]
    kind = msgspec.defstruct("ScoredLine", own, bases=(base,), gc=False)
    assert issubclass(kind, base)
    return kind


def line_of(row: JsonObject) -> Line:
    """A line that has been decoded."""
    return json_files.record_of(row, Line)


def sample_of(line: Line, scores: Mapping[str, float | None]) -> ForeignSample:
    """A line with the scores that were read from it."""
    number_, hash_ = line.doc_id, line.doc_hash
    prompt, conditions, continuations = _asked(line.arguments)
    return ForeignSample(
        id=str(number_) if type(number_) is int else json_files.shown_id(number_),
        prompt=prompt,
        target=line.target,  # type: ignore[arg-type]
        conditions=conditions,
        row=line.doc,
        hash=hash_ if type(hash_) is str else "",
        answer=_likeliest(line, continuations) if continuations else _first_text(line.resps),
        scores=scores,
    )


def _asked(arguments: object) -> tuple[str | None, str, Sequence[str]]:
    """A document's prompt, its other prompts and continuations as one text, and the continuations whose likelihood was
    requested."""
    if type(arguments) is dict and len(arguments) == 1:
        (request,) = arguments.values()
        if type(request) is Request:
            prompt_, after = request.arg_0, request.arg_1
            if type(prompt_) is str:
                return (prompt_, after, (after,)) if type(after) is str else (prompt_, "", ())
    prompt: str | None = None
    others: list[str] = []
    continuations: list[str] = []
    for request in arguments.values() if type(arguments) is dict else list_of(arguments):
        first, second = (request.arg_0, request.arg_1) if type(request) is Request else _parts(request)
        if isinstance(first, list) and first:  # a chat, which lm-eval writes as a list with one text
            first = first[0] if len(first) == 1 else canonical_json(first)
            first = chat.written_as_json(first) if isinstance(first, str) else first
        if isinstance(first, str):
            if prompt is None:
                prompt = first
            elif first != prompt:
                others.append(first)
        if isinstance(second, str):
            continuations.append(second)
    return prompt, "\x1e".join(others + continuations), continuations


def _parts(request: object) -> tuple[object, object]:
    """The prompt of a request with another shape, and what follows it."""
    parts = iter(request.values() if type(request) is dict else list_of(request))
    return next(parts, None), next(parts, None)


def _first_text(given: object) -> str | None:
    """The text of the first response, however deeply nested in lists."""
    while type(given) is list:
        given = given[0] if given else None
    return given if type(given) is str else None


def _likeliest(line: Line, continuations: Sequence[str]) -> str | None:
    """The likeliest of several continuations; None if there is only one, or if a likelihood is not a
    number."""
    likelihoods = [_likelihood(item) for item in list_of(json_files.plain(line.filtered_resps))]
    known = [value for value in likelihoods if value is not None]
    if len(likelihoods) != len(continuations) or len(known) < max(2, len(likelihoods)):
        return None
    return continuations[known.index(max(known))].strip()


def _likelihood(response: object) -> float | None:
    first = response[0] if isinstance(response, list) and response else None
    try:
        return float(first) if isinstance(first, str | int | float) else None
    except ValueError:
        return None
