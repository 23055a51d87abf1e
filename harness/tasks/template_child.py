"""Templates that could take forever, rendered in a child with limits on time, memory and output.

Plain templates (`core.plain_templates`) are rendered in this process. All others go to one child of this
process, which is kept for later ones; it may hold 512 MiB and compute for five seconds, and is replaced if it
does not answer in time. The child runs the same sandbox.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import cast

from harness.core import bounded_child, kept_texts
from harness.core.errors import ConfigError
from harness.core.plain_templates import MOST_SOURCE
from harness.tasks import template_sandbox

SECONDS = 5.0
"""For one template and one example."""
MEGABYTES = 512
"""MiB that the child may take beyond what it starts with."""
BATCH = 64
"""Examples in one message to the child."""
MOST_KEPT, LONGEST_KEPT = 10_000, 10_000
"""Texts that are remembered, and characters of the longest of them."""


def render(source: str, fields: Mapping[str, object]) -> str:
    """Like `template_sandbox.render`, in the child.

    Raises:
        ConfigError: as in `template_sandbox.render`, or the template exceeds a limit.
    """
    if len(source) > MOST_SOURCE:
        raise ConfigError(f"template: {len(source):,} characters; at most {MOST_SOURCE:,} are read")
    key = _key(source, fields)
    with _lock:
        text = _kept.get(key)
        answer = {"text": text} if text is not None else _child().ask(source, [fields])[0]
        _keep(key, answer)
    if "text" in answer:
        return str(answer["text"])
    raise ConfigError(str(answer["message"]), remedy=str(answer["remedy"]))


def ahead(source: str, many: Sequence[Mapping[str, object]]) -> None:
    """Render for many examples in few messages, so that `render` finds their texts. What fails is left to `render`."""
    if len(source) > MOST_SOURCE:
        return
    for start in range(0, min(len(many), MOST_KEPT), BATCH):
        part = {_key(source, fields): fields for fields in many[start : start + BATCH]}
        with _lock:
            part = {key: fields for key, fields in part.items() if key not in _kept}
            answers = _child().ask(source, list(part.values())) if part else []
            if len(answers) < len(part):
                return
            for key, answer in zip(part, answers, strict=True):
                _keep(key, answer)


def _child() -> Child:
    child = _children.get(os.getpid())
    if child is None or not child.is_alive:
        child = _children[os.getpid()] = Child()
    return child


def _key(source: str, fields: Mapping[str, object]) -> bytes:
    return kept_texts.key((source, dict(fields)))


def _keep(key: bytes, answer: Mapping[str, object]) -> None:
    """Remember a text that is not long: prompts are rendered several times in a run, and shots in every prompt."""
    text = answer.get("text")
    if isinstance(text, str):
        kept_texts.keep(_kept, key, text, MOST_KEPT, LONGEST_KEPT)


class Child(bounded_child.Child):
    """The process that renders."""

    def __init__(self) -> None:
        super().__init__(__name__, "answered", MEGABYTES)

    def ask(self, source: str, many: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
        """For each example the text, or the message and the remedy. If the child did not answer in time, one
        message."""
        request = (source, [dict(fields) for fields in many], SECONDS)
        answers = self.answer(request, SECONDS * len(many))
        if answers is None:
            late = f"template: took longer than {SECONDS:g} s, or more than {MEGABYTES} MiB"
            return [{"message": late, "remedy": "make it simpler: what it computes can be a field"}]
        return cast("Sequence[Mapping[str, object]]", answers)


def answered(request: tuple[str, Sequence[Mapping[str, object]], float]) -> Sequence[Mapping[str, object]]:
    """What the child does with a message."""
    source, many, seconds = request
    return [_rendered(source, fields, seconds) for fields in many]


def _rendered(source: str, fields: Mapping[str, object], seconds: float) -> Mapping[str, object]:
    bounded_child.limit_time(seconds)
    try:
        return {"text": template_sandbox.render(source, fields)}
    except ConfigError as error:
        return {"message": error.message, "remedy": error.remedy}


_lock = threading.Lock()
_children: dict[int, Child] = {}
_kept: dict[bytes, str] = {}
