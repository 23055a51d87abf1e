"""The queries that bring a file of answers into the store, and what its writer may know of it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PARSE = "STRUCT(status VARCHAR, reason VARCHAR, path VARCHAR, value JSON)"
_SCORE = "STRUCT(scorer VARCHAR, status VARCHAR, value DOUBLE, reason VARCHAR, version INTEGER)"
_PASSAGE = "STRUCT(document VARCHAR, title VARCHAR, text VARCHAR, score DOUBLE)"
FIELDS = {
    **dict.fromkeys(("sample_id", "group", "prompt", "output", "finish_reason"), "VARCHAR"),
    **dict.fromkeys(("error", "failure", "thoughts"), "VARCHAR"),
    **dict.fromkeys(("input", "target", "meta"), "JSON"),
    **dict.fromkeys(("context_ids", "shots"), "VARCHAR[]"),
    "gold_twins": "VARCHAR[][]",
    **dict.fromkeys(("tokens_in", "tokens_out", "retries", "shots_dropped", "passages_dropped"), "INTEGER"),
    "thought_tokens": "INTEGER",
    **dict.fromkeys(("seconds", "waited", "clock"), "DOUBLE"),
    **dict.fromkeys(("strict", "extracted"), _PARSE),
    **{"cached": "BOOLEAN", "scores": f"{_SCORE}[]", "passages": f"{_PASSAGE}[]"},
}
_KNOWN = frozenset({"strict", "extracted", "scores"})
"""Fields of an answer that its writer may know for all."""
SAMPLES = """
SELECT sample_id, CAST(rowid AS INTEGER) AS position, input, target,
       "group" AS group_id, meta, coalesce(context_ids, []) AS context_ids,
       prompt, coalesce(shots, []) AS shots, output, tokens_in, tokens_out, seconds, waited,
       retries, clock, finish_reason, cached, error, strict.status AS strict_status, strict.reason AS strict_reason,
       strict.path AS strict_path, extracted.status AS extracted_status,
       extracted.reason AS extracted_reason, extracted.path AS extracted_path,
       extracted.value AS extracted_value, failure, shots_dropped, passages_dropped,
       thoughts, thought_tokens
FROM {answers}
"""
SCORES = """
SELECT sample_id, unnest(scores, recursive := true) FROM {answers}
"""
RETRIEVALS = """
SELECT sample_id, CAST(rank AS INTEGER) AS rank, p.document, p.title, p.text, p.score,
       CASE WHEN len(gold_ids) > 0 THEN list_contains(gold_ids, p.document) END AS gold
FROM (SELECT sample_id, coalesce(flatten(gold_twins), context_ids) AS gold_ids, unnest(passages) AS p,
             generate_subscripts(passages, 1) AS rank FROM {answers} WHERE len(passages) > 0)
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the writer of a file knows: how many answers it holds, each under a name of its own and with numbers that JSON
    has, and the fields outside which none of them has a value. So their check is left out, and no column is read for
    nothing."""

    count: int
    fields: frozenset[str]
    plain_scores: Mapping[str, array[float]] | None = None
    """By scorer, in the order of the lines, if every answer is its own whole value and has every score. Then neither the value
    nor a score is read from the lines, whose nested fields take as long as all others."""

    columns: Path | None = None
    """A file with all other values; see `answer_columns`."""
    stamp: tuple[int, int] | None = None
    """See `answer_columns.stamp`: that of the lines when they were written."""

    @property
    def read(self) -> frozenset[str]:
        """The fields to read from the lines."""
        return self.fields if self.plain_scores is None else self.fields - _KNOWN


_OUTSIDE = """ifnull(contains({0}, 'NaN') OR contains({0}, 'Infinity'), false)
  AND regexp_matches(regexp_replace({0}, '"(\\\\.|[^"\\\\])*"', '', 'g'), 'NaN|Infinity')"""
"""Whether a JSON value has such a number outside its strings."""
HAS_NOT_A_NUMBER = " OR ".join(
    [
        *(f"NOT ifnull(isfinite({name}), true)" for name in ("seconds", "waited", "clock")),
        *(
            f"ifnull(len(list_filter({column}, lambda item: NOT ifnull(isfinite(item.{field}), true))) > 0, false)"
            for column, field in (("scores", "value"), ("passages", "score"))
        ),
        *(
            f"({_OUTSIDE.format(f'CAST({name} AS VARCHAR)')})"
            for name in ("input", "target", "meta", "strict.value", "extracted.value")
        ),
    ]
)
"""Whether a row holds a number that JSON does not have."""


def reading(fields: Mapping[str, str]) -> str:
    """The query that reads these fields of a file, by their types."""
    # Without row_number(), which would make it the work of one thread: the table's rowid counts the lines.
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in fields.items())
    return f"SELECT * FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}})"


READ = reading(FIELDS)


def with_all_fields(answers: str, written: Written | None) -> str:
    """The answers with all fields, of which only some were read if their writer is known."""
    if written is None:
        return f"(SELECT rowid, * FROM {answers})"
    known = (
        {}
        if written.plain_scores is None
        else {"strict": _valid("NULL"), "extracted": _valid("to_json(output)")}
    )
    others = [
        f'{known.get(name, "NULL")}::{kind} AS "{name}"'
        for name, kind in FIELDS.items()
        if name not in written.read
    ]
    return f"(SELECT {', '.join(['rowid', '*', *others])} FROM {answers})"


def _valid(value: str) -> str:
    return f"struct_pack(status := 'valid', reason := NULL, path := NULL, value := {value})"
