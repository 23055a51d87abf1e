"""Strings that a target copies from its input, and their substitution in both."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.core.json_types import JsonValue
from harness.core.values import Example

SHORTEST = 3
"""Shorter strings may occur in a text by chance."""

Donors = Mapping[str, Sequence[str]]


def shared(example: Example) -> list[str]:
    """The strings of the target that occur verbatim in the input."""
    return [text for _, text in _repeated(example)]


def donors(pool: Sequence[Example]) -> Donors:
    """By path in the target: every value there that an example repeats from its input."""
    donated: dict[str, set[str]] = {}
    for example in pool:
        for path, text in _repeated(example):
            donated.setdefault(path, set()).add(text)
    return {path: sorted(texts) for path, texts in donated.items()}


def exchange(example: Example, donors: Donors, draw: random.Random) -> Example | None:
    """The example with every exchangeable string replaced by another example's, in both input and target;
    None if there is nothing to exchange."""
    changes: dict[str, str] = {}
    taken = set(shared(example))
    for path, text in _repeated(example):
        others = [other for other in donors[path] if other not in taken]
        if others and text not in changes:
            changes[text] = draw.choice(others)
            taken.add(changes[text])
    if not changes:
        return None
    pattern = re.compile("|".join(_bounded(text) for text in sorted(changes, key=len, reverse=True)))

    def changed(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return pattern.sub(lambda match: changes[match.group()], value)
        if isinstance(value, Mapping):
            return {name: changed(item) for name, item in value.items()}
        return [changed(item) for item in value] if isinstance(value, list) else value

    fields = {name: changed(item) for name, item in example.input.items()}
    return replace(example, input=fields, target=changed(example.target))


def stands_in(text: str, where: str) -> bool:
    """Whether `text` occurs in `where` as whole words, in the same case."""
    return re.search(_bounded(text), where) is not None


def _repeated(example: Example) -> list[tuple[str, str]]:
    inputs = " \n ".join(value for value in example.input.values() if isinstance(value, str))
    return [
        (path, text)
        for path, text in _strings(example.target, "")
        if len(text) >= SHORTEST and stands_in(text, inputs)
    ]


def _strings(value: JsonValue, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _strings(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, f"{path}[]")


def _bounded(text: str) -> str:
    return rf"(?<!\w){re.escape(text)}(?!\w)"
