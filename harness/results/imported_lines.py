"""The lines of an imported run's `samples.jsonl`: their fields, and many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from harness.core.json_types import JsonObject
from harness.imports.sample import Columns


class Parse(msgspec.Struct, gc=False):
    """An answer as it was read: here always the whole text."""

    status: str
    value: str | msgspec.UnsetType | None = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET


class Score(msgspec.Struct, gc=False):
    scorer: str
    status: str
    value: float | None
    reason: str | msgspec.UnsetType = msgspec.UNSET


class Prompt(msgspec.Struct, gc=False):
    """What a report shows of a question without choices."""

    prompt: str


class Meta(msgspec.Struct, omit_defaults=True, gc=False):
    """What the tool calls the example."""

    id: str
    hash: str = ""


class Row(msgspec.Struct, kw_only=True, gc=False):
    """A line of `samples.jsonl`; what is unset is not written."""

    sample_id: str
    input: object
    target: object
    output: str | None
    finish_reason: str
    meta: Meta
    seconds: float | msgspec.UnsetType | None = msgspec.UNSET
    tokens_in: int | msgspec.UnsetType | None = msgspec.UNSET
    tokens_out: int | msgspec.UnsetType | None = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET
    strict: Parse
    extracted: Parse
    scores: list[Score] | msgspec.Raw


FIELDS = frozenset(Row.__struct_fields__)
"""The fields that a line can have."""
VALID = Parse("valid")
ENCODER = msgspec.json.Encoder()


def plain(row: Row) -> JsonObject:
    """A row whose scores may be encoded already."""
    if isinstance(row.scores, msgspec.Raw):
        row.scores = msgspec.json.decode(row.scores, type=list[Score])
    plain: JsonObject = msgspec.to_builtins(row)
    return plain


def encoded(columns: Columns, names: Sequence[str], scores: Sequence[bytes]) -> bytes | None:
    """The lines of answers, each with the name of its example and with its scores, which are encoded already; None if only
    some have a hash.

    Raises:
        ValueError: half a character.
    """
    hashed = "" not in columns.hashes
    if not hashed and any(columns.hashes):
        return None
    answers = _texts(columns.answers)
    filled = [
        *(_texts(names), _texts(columns.prompts), _texts(columns.targets), answers, _texts(columns.ids)),
        *([_texts(columns.hashes)] if hashed else []),
        *(answers, scores),
    ]
    between = _AROUND_VALUES[hashed]
    parts = [part for piece in between for part in (piece, b"")] * len(names)
    for index, values in enumerate(filled):
        parts[2 * index + 1 :: 2 * len(between)] = values
    return b"".join(parts)


def _texts(values: Sequence[str]) -> list[bytes]:
    """Each as JSON, in which no line breaks."""
    return ENCODER.encode_lines(values).split(b"\n")[:-1]


def _around_values(*, hashed: bool) -> list[bytes]:
    """What is the same in the lines of all plain answers: before, between and after their values."""
    raw = msgspec.Raw(b"\0")
    gap = cast(str, raw)
    row = Row(
        sample_id=gap,
        input=Prompt(gap),
        target=gap,
        output=gap,
        finish_reason="stop",
        meta=Meta(gap, gap) if hashed else Meta(gap),
        strict=VALID,
        extracted=Parse("valid", gap),
        scores=raw,
    )
    return ENCODER.encode_lines([row]).split(b"\0")


_AROUND_VALUES = {hashed: _around_values(hashed=hashed) for hashed in (False, True)}
