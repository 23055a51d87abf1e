"""Alpaca and similar data: `instruction`, an optional `input`, and `output`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.core.values import Message
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.located import Located, Row

OUTPUTS = ("output", "response")
CONTEXTS = ("input", "context")


@dataclass(frozen=True, kw_only=True)
class Alpaca(Layout):
    """The user's message is the instruction and, below it, the input where there is one.

    `system` and `history` (pairs of earlier questions and answers) are those of LLaMA-Factory; `context`
    and `response` are Dolly's names.
    """

    title: ClassVar[str] = "Alpaca instructions"
    roles: ClassVar[Mapping[str, str]] = {
        "instruction": "the user's message",
        "input": "below the instruction, where it is not empty",
        "context": "below the instruction, where it is not empty",
        "output": "target",
        "response": "target",
        "system": "the system prompt",
        "history": "earlier turns",
    }

    def detect(self, row: Row) -> int | None:
        return 12 if "instruction" in row and any(name in row for name in OUTPUTS) else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        target = next((row[name] for name in OUTPUTS if name in row), None)
        return (
            Converted(
                input=instruction(located),
                target=target,
                system=str(row.get("system") or ""),
                turns=_history(row.get("history"), located),
                id=self.identity_of(row),
                meta=self.rest(row),
            ),
        )


def instruction(located: Located) -> str:
    """The user's message: the instruction, a blank line, the input."""
    row = located.row
    parts = [row.get("instruction"), *(row.get(name) for name in CONTEXTS)]
    texts = [text for part in parts if part is not None and (text := str(part).strip())]
    return "\n\n".join(texts)


def _history(pairs: object, located: Located) -> tuple[Message, ...]:
    if not pairs:
        return ()
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise located.error("'history' must be a list of [question, answer] pairs")
    return tuple(
        message
        for question, answer in pairs
        for message in (Message("user", str(question)), Message("assistant", str(answer)))
    )
