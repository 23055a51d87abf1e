"""Prompt and completion, each a text or a list of messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.tasks.layouts import _conversation
from harness.tasks.layouts._conversation import Conversation
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.located import Located, Row

ANSWERS = ("completion", "response")


@dataclass(frozen=True, kw_only=True)
class Completion(Layout):
    """A text prompt is the user's message; a list of messages is a conversation."""

    title: ClassVar[str] = "prompt/completion"
    roles: ClassVar[Mapping[str, str]] = {
        "prompt": "the user's message, or the conversation before the answer",
        "completion": "target",
        "response": "target",
        "system": "the system prompt",
        "tools": "offered to the model as functions; calls are JSON answers",
    }

    def detect(self, row: Row) -> int | None:
        if "prompt" not in row:
            return None
        return 15 if "completion" in row else 10 if "response" in row else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        answer = next((row[name] for name in ANSWERS if name in row), None)
        conversation = pair(row["prompt"], answer, located, tools=row.get("tools"))
        if conversation is None:
            return ()
        return (self.converted(conversation, row, system=str(row.get("system") or "")),)


def pair(prompt: object, answer: object, located: Located, *, tools: object = None) -> Conversation | None:
    """A prompt and its answer, each a text or a list of messages, as one conversation.

    Raises:
        ConfigError: anything else, with the row's file and line.
    """
    for name, value in (("prompt", prompt), ("answer", answer)):
        if value in (None, "", []) and (name == "answer" or not isinstance(prompt, list)):
            raise located.error(f"the {name} is empty", remedy="write it, or delete the row")
    before = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    after = [{"role": "assistant", "content": answer}] if isinstance(answer, str) else answer
    if not isinstance(before, list) or not isinstance(after, list):
        wrong = prompt if not isinstance(before, list) else answer
        message = f"a prompt and its answer must be texts or lists of messages (got {str(wrong)[:80]})"
        raise located.error(message, remedy="correct or delete the row")
    return _conversation.read([*before, *after], located, column="prompt", tools=tools)
