"""Objects field by field: which fields are right, and which values are confused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.leaves import leaves
from harness.core.secrets import beginning
from harness.evidence.answers import Answer

_INDEX = re.compile(r"\[\d+\].*")
MISSING = "(missing)"
NO_ANSWER = "(no valid answer)"
LONGEST = 60
"""How many characters of a value are shown."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often a field got one value when another was right."""

    field: str
    wanted: str
    given: str
    count: int


def flat(value: JsonValue) -> dict[str, str]:
    """Path of each field → its value as text, folded as the scorer `fields` folds it; a list is one value."""
    values: dict[str, list[str]] = {}
    for path, leaf in leaves(value):
        values.setdefault(_INDEX.sub("", path).removeprefix("$").removeprefix("."), []).append(leaf)
    return {path: parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]" for path, parts in values.items()}


def judged(row: Answer) -> dict[str, bool]:
    """Field of the target → whether the answer of a row of `samples.jsonl` has it right.

    Empty if the target is not an object or there was no answer to judge (an execution error). An answer
    that cannot be read has every field wrong.
    """
    target = row.target
    if not isinstance(target, Mapping) or not target or not row.answered:
        return {}
    given = _given(row)
    return {path: given.get(path) == wanted for path, wanted in flat(target).items()}


def shares(rows: Iterable[Answer]) -> dict[str, float]:
    """Field → share of the answers that have it right, among the examples whose target has it."""
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for row in rows:
        for path, correct in judged(row).items():
            asked[path] += 1
            right[path] += correct
    return {path: right[path] / count for path, count in asked.items()}


def confusions(rows: Iterable[Answer]) -> list[Confusion]:
    """Confusions of every field, most common first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        verdicts = judged(row)
        if not verdicts:
            continue
        wanted, given = flat(row.target), _given(row)
        valid = row.extracted.valid
        for path, correct in verdicts.items():
            if not correct:
                answered = given.get(path, MISSING) if valid else NO_ANSWER
                counts[path, _short(wanted[path]), _short(answered)] += 1
    return [
        Confusion(field=path, wanted=wanted, given=given, count=count)
        for (path, wanted, given), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def commonest(confusions: Sequence[Confusion], fields: Sequence[str], each: int) -> list[Confusion]:
    """The `each` most common confusions of every field, in the order of `fields`."""
    return [c for name in fields for c in [c for c in confusions if c.field == name][:each]]


def _given(row: Answer) -> dict[str, str]:
    value = row.extracted.value
    return flat(value) if isinstance(value, Mapping) and value else {}


def _short(text: str) -> str:
    plain = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    return beginning(plain, LONGEST)
