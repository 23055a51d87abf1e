"""The chat template that other tools render: by itself it produces the prompts that a run asked."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.protocols import Chat
from harness.core.values import Message
from harness.models.chat import TemplateChat
from harness.models.remembering_chat import innermost
from harness.models.special_tokens import encoded, names_special

_ONE_BOS = (
    "{% set rendered %}",
    "{% endset %}{% set left = namespace(text=rendered) %}{% for _ in range(4) %}"
    "{% if left.text.startswith(bos_token + bos_token) %}{% set left.text = left.text[bos_token | length:] %}{% endif %}"
    "{% endfor %}{{ left.text }}",
)
"""Put before and after a template that writes several BOS."""
_QUESTION = (Message("user", "question"),)


def served_template(chat: Chat) -> str:
    """The template for other tools: today is the run's day, the special tokens that a tokenizer puts in front
    of a text are in it, and a BOS occurs there once. Empty for models whose prompts are plain text."""
    chat = innermost(chat)
    if not isinstance(chat, TemplateChat):
        return ""
    template = chat.dated_template
    if not chat.prefix:
        bos = str(chat.tokenizer.bos_token or "")
        twice = bool(bos) and chat.render(_QUESTION).startswith(2 * bos)
        return template.join(_ONE_BOS) if twice else template
    opening, text, asked = chat.show(chat.prefix), chat.render(_QUESTION), chat.encode(_QUESTION)
    # Some tokenizers begin a text with a space, but not the text after a special token.
    exact = encoded(chat.tokenizer, opening + text) == asked
    spaced = encoded(chat.tokenizer, f"{opening} {text}") == asked
    return f"{opening} {template}" if spaced and not exact else opening + template


def differing_prompt(chat: Chat, prompts: Sequence[Sequence[Message]]) -> str | None:
    """How a prompt that another tool renders with `served_template` differs from the run's; None if none
    does.

    Prompts whose text names a control token are left out: here it is text, but elsewhere a control token.
    """
    remembering, chat = chat, innermost(chat)
    if not isinstance(chat, TemplateChat):
        return None
    template = served_template(chat)
    for messages in prompts:
        if any(names_special(chat.tokenizer, message.content) for message in messages):
            continue
        served, asked = (
            encoded(chat.tokenizer, chat.render(messages, template=template)),
            remembering.encode(messages),
        )
        if served != asked:
            at = next(
                (i for i, pair in enumerate(zip(served, asked, strict=False)) if len(set(pair)) > 1),
                "its end",
            )
            return f"{len(served)} tokens instead of {len(asked)}, the first other one at {at}"
    return None
