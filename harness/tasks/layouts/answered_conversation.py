"""A conversation in one column and its answer in another: a label of the last turn, a reply, a judgment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.tasks import names
from harness.tasks.layouts import _conversation
from harness.tasks.layouts._layout import IDS, Converted, Layout
from harness.tasks.located import Located, Row

HISTORIES = ("history", "turns", "context", "chat_history", "previous_turns")
QUESTIONS = ("question", "input", "query", "prompt", "utterance", "instruction")
TOOLS = ("tools", "functions")


@dataclass(frozen=True, kw_only=True)
class AnsweredConversation(Layout):
    """The messages reach the model as turns; the last one, or the question in a column of its own, is the input."""

    title: ClassVar[str] = "conversations with an answer of their own"

    def detect(self, row: Row) -> int | None:
        return 25 if _parts(row) is not None else None

    def explain(self, rows: Iterable[Located]) -> list[str]:
        first = next((located.row for located in rows if _parts(located.row)), {})
        talk, question, answer = _parts(first) or (None, None, None)
        uses = {
            talk: "system prompt and turns"
            if question
            else "system prompt, turns, and the last message as the input",
            question: "the input",
            answer: "target",
        }
        lines = [f"{name}: {what}" for name, what in uses.items() if name is not None]
        carried = [name for name in first if name not in (*uses, *TOOLS, *IDS)]
        return [*lines, *([f"carried in meta: {', '.join(carried)}"] if carried else [])]

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        parts = _parts(row)
        if parts is None:
            raise located.error("no column with messages that end with the user, beside an answer")
        talk, question, answer = parts
        messages = list(row[talk]) + ([{"role": "user", "content": str(row[question])}] if question else [])
        tools = next((row[name] for name in TOOLS if row.get(name)), None)
        conversation = _conversation.asked(messages, located, column=talk, answer=row[answer], tools=tools)
        used = {talk, answer, *TOOLS, *([question] if question else [])}
        return (
            Converted(
                input=conversation.question,
                target=conversation.answer,
                system=conversation.system,
                turns=conversation.turns,
                id=self.identity_of(row),
                meta=self.rest(row, used),
            ),
        )


def _parts(row: Row) -> tuple[str, str | None, str] | None:
    """The column of the messages, that of the question if it is separate, and that of the answer."""
    ending = [name for name, value in row.items() if _conversation.awaits_answer(value)]
    histories = [name for name in HISTORIES if _conversation.is_messages(row.get(name))]
    questions = [name for name in QUESTIONS if isinstance(row.get(name), str) and row[name]]
    apart = bool(histories and questions and histories[0] not in ending)
    talk = histories[0] if apart else next(iter(ending), None)
    if talk is None:
        return None
    question = questions[0] if apart else None
    others = [
        name
        for name, value in row.items()
        if name not in (talk, question, *TOOLS) and value not in (None, "")
    ]
    answer = names.target([name for name in others if not _conversation.is_messages(row[name])])
    return None if answer is None else (talk, question, answer)
