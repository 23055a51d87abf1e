"""How recorded values differ, in words: of long lists and schemas what is in some and not in all, never a hash."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json
from harness.core.secrets import masked, shortened

LONG = 40
"""Characters of a value up to which it is shown whole."""
KEPT = 10
"""Characters before the first difference of long texts that are shown, too."""
ITEMS = 5
"""How many items of a list are named."""
PATHS = 3
"""How many differing places of a nested value are named."""


def texts(name: str, values: Sequence[JsonValue]) -> list[str]:
    """What sets each of some values of one setting apart from the others; where all are the same, empty texts.

    Args:
        name: of the setting, for people: "choices".
        values: one a record; None where the record lacks the setting.
    """
    if len({canonical_json(value) for value in values}) == 1:
        return ["" for _ in values]
    if all(_is_short(value) for value in values):
        return ["" if value is None else f"{name}={_short(value)}" for value in values]
    if all(isinstance(value, Mapping) for value in values):
        return _of_mappings(name, [value for value in values if isinstance(value, Mapping)])
    lists = [value for value in values if isinstance(value, Sequence) and not isinstance(value, str)]
    if len(lists) == len(values):
        return _of_lists(name, lists)
    whole = [_short(value) for value in values if value is not None]
    same = max(0, _common(whole) - KEPT) if len(whole) > 1 else 0
    return [f"no {name}" if value is None else f"{name}={_from(_short(value), same)}" for value in values]


def _common(whole: Sequence[str]) -> int:
    """How many characters all texts begin with."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*whole, strict=False))
    return sum(1 for _ in alike)


def _from(text: str, start: int) -> str:
    """A long text from where it is another one."""
    rest = text[start : start + LONG]
    return f"{'…' if start else ''}{rest}{'…' if start + LONG < len(text) else ''}"


def _of_lists(name: str, values: Sequence[Sequence[JsonValue]]) -> list[str]:
    """ "choices with 'refund'" beside "choices without 'refund'"."""
    whole = list(_once(item for value in values for item in value))
    common = [item for item in whole if all(_among(value, item) for value in values)]
    if len(common) == len(whole):
        if len({canonical_json(sorted(map(canonical_json, value))) for value in values}) > 1:
            return [f"{name} with {len(value)} items, {len(whole)} of them different" for value in values]
        return [
            f"{name} in another order" if value != values[0] else f"{name} in one order" for value in values
        ]
    return [
        f"{name} with {_listed(own)}"
        if (own := [item for item in _once(value) if not _among(common, item)])
        else f"{name} without {_listed([item for item in whole if not _among(value, item)])}"
        for value in values
    ]


def _among(items: Sequence[JsonValue], item: JsonValue) -> bool:
    """Whether a value is among others, as JSON: to Python 1 is True."""
    return canonical_json(item) in {canonical_json(one) for one in items}


def _of_mappings(name: str, values: Sequence[Mapping[str, JsonValue]]) -> list[str]:
    keys = list(_once(key for value in values for key in value))
    parts = [_of_key(f"{name}.{key}", str(key), values) for key in keys]
    differing = [part for part in parts if any(part)]
    more = [f"{len(differing) - PATHS} more"] if len(differing) > PATHS else []
    return [", ".join([*filter(None, each), *more]) for each in zip(*differing[:PATHS], strict=True)]


def _of_key(name: str, key: str, values: Sequence[Mapping[str, JsonValue]]) -> list[str]:
    held = [value.get(key) for value in values]
    if any(one is not None for one in held) or all(key in value for value in values):
        return texts(name, held)
    return [f"{name} is null" if key in value else f"no {name}" for value in values]


def _once(items: Iterator[JsonValue] | Sequence[JsonValue]) -> Iterator[JsonValue]:
    """Each item once, in order; items may be lists, which have no hash."""
    met: set[str] = set()
    for item in items:
        if (mark := canonical_json(item)) not in met:
            met.add(mark)
            yield item


def _listed(items: Sequence[JsonValue]) -> str:
    more = f" and {len(items) - ITEMS} more" if len(items) > ITEMS else ""
    return ", ".join(f"'{shortened(_short(item))}'" for item in items[:ITEMS]) + more


def _is_short(value: JsonValue) -> bool:
    return value is None or len(_short(value)) <= LONG


def _short(value: JsonValue) -> str:
    return masked(value if isinstance(value, str) else canonical_json(value))
