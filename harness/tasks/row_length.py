"""Rows that are longer than the context of many models, found by their characters before any model is named."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.formatting import counted
from harness.core.values import Example
from harness.tasks.prompt_size import BYTES_PER_TOKEN

TOKENS = 8_192
"""The context of the bundled model and of many small ones."""
SHOWN = 3


def characters(example: Example) -> int:
    """Characters of an example's question, earlier turns and answer."""
    return sum(map(len, _texts(example)))


def too_long(examples: Iterable[Example]) -> list[Example]:
    """The examples of more than `TOKENS` tokens, the longest first."""
    least = TOKENS * BYTES_PER_TOKEN
    sizes = ((characters(example), example) for example in examples)
    # A character is at most four bytes, so most rows are short without being encoded.
    long = [(size, e) for size, e in sizes if 4 * size > least and _bytes(e) > least]
    return [example for _, example in sorted(long, key=lambda pair: -pair[0])]


def described(long: list[Example], names: Iterable[str]) -> str:
    """What to say about long examples; `names` tell the user which ones they are, in the same order."""
    listed = ", ".join(
        f"{name} ({characters(example):,} characters)"
        for example, name in zip(long[:SHOWN], names, strict=False)
    )
    more = f" and {len(long) - SHOWN} more" if len(long) > SHOWN else ""
    one = len(long) == 1
    return (
        f"{counted(len(long), 'row is', 'rows are')} longer than about {TOKENS:,} tokens, the context of the bundled "
        f"model and of many others: {listed}{more}; shorten {'it' if one else 'them'}, leave {'it' if one else 'them'} "
        "out, or choose a model with a longer context"
    )


def _texts(example: Example) -> list[str]:
    return [*map(str, example.input.values()), *(turn.content for turn in example.turns), str(example.target)]


def _bytes(example: Example) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in _texts(example))
