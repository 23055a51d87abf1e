"""The text of a chat template, and messages as a template or server without a system role takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from harness.core import tools
from harness.core.torch_types import Tokenizer
from harness.core.values import Message

PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}User:\n{{ message['content'] }}\n\n"
    "{% else %}Assistant:\n{{ message['content'] }}\n\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)
"""For base models, which have no chat template. It uses no special tokens."""
_READS_DATE = re.compile(r"""strftime_now\(\s*(["'])(?P<format>[^"']*)\1\s*\)""")


def template_of(tokenizer: Tokenizer) -> str | None:
    """The tokenizer's template; models with several (tools, RAG) call the main one `default`."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()))
    return None if template is None else str(template)


@lru_cache(maxsize=16)
def dated(template: str, date: str) -> str:
    """A template in which `strftime_now('…')` is that of a fixed day: prompts must not change overnight."""
    if "strftime_now" not in template:
        return template
    day = datetime.fromisoformat(date)
    return _READS_DATE.sub(
        lambda call: json.dumps(day.strftime(call["format"]), ensure_ascii=False), template
    )


def special_prefix(tokenizer: Tokenizer) -> list[int]:
    """Ids that the tokenizer itself puts in front of a text (a BOS, or nothing)."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = list(tokenizer("a")["input_ids"])
    return whole[: whole.index(plain[0])] if plain and plain[0] in whole else []


def fold_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Each system message put in front of the user message that follows it, for templates and servers without
    that role; one that no user message follows becomes a user message itself. The first message still offers
    the functions."""
    return tools.offering(
        _folded(messages), next((message.tools for message in messages if message.tools), "")
    )


def _folded(messages: Sequence[Message]) -> tuple[Message, ...]:
    folded: list[Message] = []
    system: list[str] = []
    for message in messages:
        if message.role == "system":
            system.append(message.content)
        elif message.role == "user":
            folded.append(Message("user", "\n\n".join([*system, message.content])))
            system = []
        else:
            folded += [Message("user", "\n\n".join(system))] if system else []
            folded.append(message)
            system = []
    return (*folded, Message("user", "\n\n".join(system))) if system else tuple(folded)
