"""A model's chat template, which is untrusted: one whose cost its syntax bounds is rendered here, any other in a child
with limits.

The child holds transformers' own sandbox and no tokenizer; it may compute for `SECONDS` and take `MEGABYTES` MiB.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import cast

from harness.core import bounded_child, kept_texts, plain_templates
from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.models import bounded_templates

SECONDS = 5.0
"""Processor seconds for one prompt."""
MEGABYTES = 512
MOST_CHARACTERS = 10_000_000
"""Characters of a prompt."""
MOST_WRITTEN = 50_000_000
"""The most characters that a template rendered here can write."""
MOST_KEPT, LONGEST_KEPT = 4_000, 20_000
"""Prompts that are remembered, and characters of the longest of them: a run renders each to see whether it fits, and
again to ask it."""
REFUSALS = (ArithmeticError, LookupError, TypeError, ValueError, MemoryError, RecursionError)
"""What a template that does not fit raises, besides Jinja2's own errors."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What a template is rendered with."""

    template: str
    messages: Sequence[Mapping[str, str]]
    functions: Sequence[Mapping[str, JsonValue]]
    generation_prompt: bool
    settings: Mapping[str, JsonValue]
    """Names of special tokens, and switches such as `enable_thinking`."""
    continued: bool = False
    """Whether the last message is continued instead of ending its turn."""

    @property
    def is_cheap(self) -> bool:
        """Whether it may be rendered in this process."""
        if self.functions:
            return False
        texts = [*(message["content"] for message in self.messages), *map(str, self.settings.values())]
        written = bounded_templates.written(self.template, sum(map(len, texts)), len(self.messages))
        return written is not None and written <= MOST_WRITTEN


def render(conversation: Conversation) -> str:
    """The prompt, from the child.

    Raises:
        ConfigError: the template refuses these messages, or exceeds a limit.
    """
    if len(conversation.template) > plain_templates.MOST_SOURCE:
        raise ConfigError(
            f"the model's chat template: {len(conversation.template):,} characters; "
            f"at most {plain_templates.MOST_SOURCE:,} are read"
        )
    request = {
        **{name: getattr(conversation, name) for name in _NAMES},
        "seconds": SECONDS,
        "most": MOST_CHARACTERS,
    }
    key = kept_texts.key(request)
    with _lock:
        kept = _kept.get(key)
        answer = {"text": kept} if kept is not None else _child().answer(request, SECONDS)
        if isinstance(answer, Mapping) and "text" in answer:
            kept_texts.keep(_kept, key, str(answer["text"]), MOST_KEPT, LONGEST_KEPT)
    if not isinstance(answer, Mapping):
        raise ConfigError(
            f"the model's chat template took longer than {SECONDS:g} s, or more than {MEGABYTES} MiB, for one prompt"
        )
    if "text" in answer:
        return str(answer["text"])
    raise ConfigError(f"the model's chat template refuses this prompt: {answer['message']}")


def answered(request: Mapping[str, object]) -> dict[str, str]:
    """What the child does with a conversation."""
    from jinja2.exceptions import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    settings = request["settings"]
    assert isinstance(settings, Mapping)
    bounded_child.limit_time(float(str(request["seconds"])))
    render_all = cast("Callable[..., tuple[Sequence[str], object]]", render_jinja_template)
    try:
        texts, _ = render_all(
            [request["messages"]],
            tools=request["functions"] or None,
            chat_template=request["template"],
            add_generation_prompt=request["generation_prompt"],
            continue_final_message=request["continued"],
            **settings,
        )
    except (TemplateError, *REFUSALS) as error:
        return {"message": str(error)[:1000]}
    (text,) = texts
    if len(text) > int(str(request["most"])):
        return {"message": f"it makes a prompt of more than {request['most']} characters"}
    return {"text": text}


def _child() -> bounded_child.Child:
    child = _children.get(os.getpid())
    if child is None or not child.is_alive:
        child = _children[os.getpid()] = bounded_child.Child(__name__, "answered", MEGABYTES)
    return child


_NAMES = tuple(field.name for field in fields(Conversation))
_kept: dict[bytes, str] = {}
_lock = threading.Lock()
_children: dict[int, bounded_child.Child] = {}
