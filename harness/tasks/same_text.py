"""When two texts are the same, and when two examples are copies of each other: one notion for the whole
product.

Splits keep copies on one side, few-shot never shows a copy of the question that it asks, generated data
leaves out copies of what dev and test ask, and `validate` and `run` warn of copies.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json
from harness.core.protocols import Task
from harness.core.values import Example
from harness.tasks import templates


def same_text(text: str) -> str:
    """Text with case, Unicode form and spacing made equal: two such texts are the same."""
    if text.isascii():
        folded = " ".join(text.lower().split())
        return text if folded == text else folded  # so that a million texts are not kept twice
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def same_question(task: Task, example: Example) -> str:
    """What a model is asked, turns and message, with irrelevant differences removed: examples with equal
    ones are copies of each other, whatever is in fields that the prompt does not show."""
    return as_asked(example, templates.render(task.input, example.input))


def as_asked(example: Example, message: str) -> str:
    """The same for an already rendered message."""
    return "\n".join([*(same_text(turn.content) for turn in example.turns), same_text(message)])


def same_fields(example: Example) -> str:
    """The same if no template says what is shown: all fields count."""
    return "\n".join(
        [*(same_text(turn.content) for turn in example.turns), canonical_json(_folded(example.input))]
    )


def _folded(value: JsonValue) -> JsonValue:
    """A JSON value with every text in it folded, names left unchanged."""
    if isinstance(value, str):
        return same_text(value)
    if isinstance(value, Mapping):
        return {name: _folded(part) for name, part in value.items()}
    return [_folded(part) for part in value] if isinstance(value, list | tuple) else value
