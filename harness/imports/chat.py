"""Chats as tools record them, as one text: equal chats of two tools become equal prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json
from harness.imports.json_files import list_of, object_of

_BETWEEN = "\n\n"
_USER = "user: "


def _as_text(content: JsonValue) -> str:
    return content if isinstance(content, str) else canonical_json(content)


def as_prompt(messages: Sequence[JsonValue], shown: Callable[[JsonValue], str] = _as_text) -> str | None:
    """The messages with their roles. The only message of a user is what it says, without a role: a tool that is given a
    text asks it so. None if there is no message.

    Args:
        shown: the text of a message's content.
    """
    given = [object_of(message) for message in messages]
    if len(given) == 1 and given[0].get("role") == "user":
        return shown(given[0].get("content"))
    return _BETWEEN.join(f"{m.get('role')}: {shown(m.get('content'))}" for m in given) or None


def written_as_json(text: str) -> str:
    """The prompt of a chat that is written as JSON; any other text as it is."""
    if not text.startswith("[{"):
        return text
    try:
        messages = list_of(json.loads(text))
    except (ValueError, RecursionError):
        return text
    chat = all({"role", "content"} <= object_of(message).keys() for message in messages)
    return (as_prompt(messages) if chat else None) or text


def last_message(prompt: str) -> str:
    """What the last message of a chat asks; a prompt that is no chat asks all of it."""
    before, mark, last = prompt.rpartition(_USER)
    return last if mark and (not before or before.endswith(_BETWEEN)) else prompt
