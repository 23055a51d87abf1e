"""Targets that no answer can match, because answers end at `max_new_tokens` before they do."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.json_types import JsonValue
from harness.core.protocols import LanguageModel, Task
from harness.core.values import Example


def sentence(task: Task, examples: Sequence[Example], model: LanguageModel | None) -> str:
    """How many of the examples have a target that is cut off; empty if none, or for a server, whose tokenizer
    is unknown."""
    if model is None:
        return ""
    ends = len(model.chat.encode_answer(""))
    texts = [task.format.render(accepted) for example in examples for accepted in _shortest(example.target)]
    # A token is at least a byte: only longer texts need to be counted.
    long = [text for text in texts if len(text.encode("utf-8", "replace")) > task.max_new_tokens]
    cut = sum(len(model.chat.encode_answer(text)) - ends > task.max_new_tokens for text in long)
    if not cut:
        return ""
    return (
        f"{cut} of {len(texts)} targets are longer than max_new_tokens ({task.max_new_tokens}), counted in this "
        "model's tokens: answers are cut off before they can match; raise max_new_tokens in the task file"
    )


def _shortest(target: JsonValue) -> list[JsonValue]:
    """The shortest of several accepted answers: any of them is right."""
    if isinstance(target, list) and target and all(isinstance(item, str) for item in target):
        return [min(target, key=len)]
    return [target]
