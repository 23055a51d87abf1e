"""ShareGPT: rows of `conversations` with turns `{from, value}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.tasks.layouts import _conversation
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.layouts.chat import COLUMNS, TURNS
from harness.tasks.located import Located, Row


@dataclass(frozen=True, kw_only=True)
class ShareGpt(Layout):
    """As chat messages; `human` is the user, `gpt` the assistant, `observation` the result of a tool."""

    title: ClassVar[str] = "ShareGPT conversations"
    roles: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(COLUMNS, TURNS),
        "system": "the system prompt",
        "tools": "offered to the model as functions; calls are JSON answers",
    }

    def detect(self, row: Row) -> int | None:
        name = _column(row)
        return 25 if name and _conversation.is_messages(row[name]) and "from" in row[name][0] else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        name = _column(row)
        if name is None:
            raise located.error("no column 'conversations'", remedy="correct or delete the row")
        conversation = _conversation.read(row[name], located, column=name, tools=row.get("tools"))
        if conversation is None:
            return ()
        return (self.converted(conversation, row, system=str(row.get("system") or "")),)


def _column(row: Row) -> str | None:
    return next((name for name in COLUMNS if name in row), None)
