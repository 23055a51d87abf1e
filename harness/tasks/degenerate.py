"""Answers that leave nothing to learn or to distinguish: one for all rows, or labels that differ only in
spelling."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.core.characters import plain
from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json
from harness.core.secrets import beginning
from harness.tasks import schema_inference
from harness.tasks.same_text import same_text

MOST_VALUES = 200
"""A field with at most this many distinct values holds labels."""
SHOWN = 3
TRUTH = {"yes": True, "y": True, "true": True, "t": True, "1": True, "no": False, "n": False, "false": False}
TRUTH |= {"f": False, "0": False}
"""Words that people write for yes and no."""


def one_answer(targets: Iterable[JsonValue]) -> JsonValue:
    """The answer that all of two rows or more have; None if they differ."""
    texts: set[str] = set()
    count, first = 0, None
    for target in targets:
        first = target if count == 0 else first
        count += 1
        texts.add(canonical_json(target))
        if len(texts) > 1:
            return None
    return first if count > 1 else None


def about_one_answer(answer: object, rows: str) -> str:
    """What to say about rows that all have one answer. `rows`: whose they are, such as "every row"."""
    text = answer if isinstance(answer, str) else canonical_json(answer)
    return (
        f"{rows} has the same answer, '{beginning(text, 60)}': nothing can be told apart, and always saying it scores 100 %; "
        "add rows with other answers, or make the task from another column (init --target)"
    )


def look_alikes(targets: Sequence[object]) -> dict[str, list[list[str]]]:
    """Labels that differ only in case, spaces, hyphens and underscores, or that all say yes or no, by their place in the answer ("" for all of it).

    Fields of objects hold labels if a schema would list their values. Spellings that differ in how their
    characters are composed alone are one label to the format `choice`, and no finding.
    """
    values: dict[str, list[str]] = defaultdict(list)
    for target in targets:
        for path, text in _texts(target, ""):
            values[path].append(text)
    distinct = {
        path: set(texts) if path else {plain(text) for text in texts}
        for path, texts in values.items()
        if not path or schema_inference.closed(texts)
    }
    groups = {path: _alike(texts) for path, texts in distinct.items() if len(texts) <= MOST_VALUES}
    return {path: alike for path, alike in groups.items() if alike}


def about_look_alikes(groups: Mapping[str, Sequence[Sequence[str]]]) -> list[str]:
    """A line for each place with such labels, with the remedy."""
    lines = []
    for path, alike in groups.items():
        listed = "; ".join(" / ".join(f"'{text}'" for text in group) for group in alike[:SHOWN])
        more = f" and {len(alike) - SHOWN} more" if len(alike) > SHOWN else ""
        where = f" of '{path}'" if path else ""
        because = "" if path else " because only the exact spelling counts as right,"
        lines.append(
            f"labels{where} that {_differ(alike)}: {listed}{more};{because} "
            "write those that mean the same alike in the data"
        )
    return lines


def _differ(alike: Sequence[Sequence[str]]) -> str:
    """How the labels of each group differ."""
    if all(len({_folded(text) for text in group}) == 1 for group in alike):
        return "differ only in case, spaces or hyphens"
    return "say yes or no in several ways"


def _texts(target: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(target, str):
        yield path, target
    elif isinstance(target, dict):
        for key, value in target.items():
            yield from _texts(value, f"{path}.{key}" if path else str(key))


def _alike(texts: set[str]) -> list[list[str]]:
    by_fold: dict[str, list[str]] = defaultdict(list)
    truth = all(_folded(text) in TRUTH for text in texts)
    for text in sorted(texts):
        by_fold[str(TRUTH[_folded(text)]) if truth else _folded(text)].append(text)
    return [group for group in by_fold.values() if len(group) > 1]


def _folded(text: str) -> str:
    """A label without what people write differently; a sign before a number stays."""
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", "", same_text(text))
