"""Chat: rows of `messages`, as OpenAI's finetuning files and most hub data sets have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.tasks.layouts import _conversation
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.located import Located, Row

COLUMNS = ("messages", "conversations", "conversation", "dialogue", "dialog")
TURNS = "system prompt, earlier turns, the user's last turn (input), the last answer (target)"


@dataclass(frozen=True, kw_only=True)
class Chat(Layout):
    """The last answer with a weight is the target; all turns before it reach the model as turns."""

    title: ClassVar[str] = "chat messages"
    roles: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(COLUMNS, TURNS),
        "tools": "offered to the model as functions; calls are JSON answers",
        "functions": "offered to the model as functions; calls are JSON answers",
        "parallel_tool_calls": "not used",
    }

    def detect(self, row: Row) -> int | None:
        name = _column(row)
        if name is None:
            return None
        value = row[name]
        if name == "messages":
            return 20
        return 20 if _conversation.is_messages(value) and "role" in value[0] else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        name = _column(row)
        if name is None:
            raise located.error("no column 'messages'", remedy="correct or delete the row")
        tools = row.get("tools") or row.get("functions")
        conversation = _conversation.read(row[name], located, column=name, tools=tools)
        if conversation is None:
            return ()
        return (self.converted(conversation, row),)

    def document(self, document: object) -> list[Row] | None:
        """A list of conversations, each a list of messages."""
        if isinstance(document, list) and document and all(map(_conversation.is_messages, document)):
            return [{"messages": messages} for messages in document]
        return None


def _column(row: Row) -> str | None:
    return next((name for name in COLUMNS if name in row), None)
