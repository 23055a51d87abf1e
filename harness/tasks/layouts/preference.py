"""Preferences: a chosen and a rejected answer to the same prompt, as texts or as conversations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.tasks.layouts import _conversation
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.layouts.alpaca import instruction
from harness.tasks.layouts.completion import pair
from harness.tasks.located import Located, Row

TRANSCRIPT = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
"""Turns of a transcript as Anthropic's preference data write them."""
PREFERRED = ("preferred_output", "non_preferred_output")


@dataclass(frozen=True, kw_only=True)
class Preference(Layout):
    """`chosen` is the target, `rejected` what preference training learns to avoid.

    The prompt is `prompt`, `question`, `instruction` (with `input`) or `messages`; a chosen conversation
    that has the prompt in it is read alone, and a chosen text that begins with the prompt loses it.
    """

    title: ClassVar[str] = "preference pairs"
    roles: ClassVar[Mapping[str, str]] = {
        "chosen": "target",
        "rejected": "the answer that preference training learns to avoid",
        "prompt": "the user's message, or the conversation before the answer",
        "question": "the user's message",
        "instruction": "the user's message",
        "messages": "the conversation before the answer, where there is no prompt",
        "system": "the system prompt",
        "tools": "offered to the model as functions; calls are JSON answers",
        "input": "below the instruction, or the conversation before the answer",
        "preferred_output": "target",
        "non_preferred_output": "the answer that preference training learns to avoid",
    }

    def detect(self, row: Row) -> int | None:
        if _is_openai(row):
            return 30
        if "chosen" not in row or "rejected" not in row:
            return None
        asked = any(row.get(name) for name in ("prompt", "question", "instruction", "messages"))
        return 30 if asked or _is_whole(row["chosen"]) else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        prompt, tools = _prompt(located), row.get("tools")
        chosen, rejected = row.get("chosen"), row.get("rejected")
        if _is_openai(row):
            chosen, rejected = (row[name] for name in PREFERRED)
            tools = row["input"].get("tools")
        better = _conversed(prompt, chosen, located, tools)
        worse = _conversed(prompt, rejected, located, tools)
        if better is None or worse is None:
            return ()
        own = row.get("system") or row.get("system_prompt")
        return (
            Converted(
                input=better.question,
                target=better.answer,
                rejected=worse.answer,
                system="\n\n".join(filter(None, (own if isinstance(own, str) else "", better.system))),
                turns=better.turns,
                tools=better.tools,
                id=self.identity_of(row),
                meta=self.rest(row, ("system_prompt",)),
            ),
        )


def _is_openai(row: Row) -> bool:
    return all(name in row for name in PREFERRED) and isinstance(row.get("input"), dict)


def _prompt(located: Located) -> Any:
    """What comes before the answers; an empty list if they carry it themselves."""
    row = located.row
    if _is_openai(row):
        return row["input"].get("messages", [])
    if row.get("prompt"):
        return row["prompt"]
    if row.get("instruction"):
        return instruction(located)
    if row.get("question"):
        return row["question"]
    messages = row.get("messages") or []
    if _conversation.is_messages(messages) and _role(messages[-1]) == "assistant":
        return messages[:-1]
    return messages


def _conversed(
    prompt: object, answer: object, located: Located, tools: object
) -> _conversation.Conversation | None:
    if isinstance(answer, str):
        if turns := _transcript(answer):
            return _conversation.read(turns, located, column="chosen", tools=tools)
        if isinstance(prompt, str) and prompt and answer.startswith(prompt) and answer != prompt:
            answer = answer.removeprefix(prompt)
    if isinstance(answer, dict):
        answer = [answer]
    return pair([] if _is_whole(answer) else prompt, answer, located, tools=tools)


def _is_whole(answer: Any) -> bool:
    """Whether an answer is a conversation that has its prompt in it."""
    if isinstance(answer, str):
        return bool(_transcript(answer))
    return _conversation.is_messages(answer) and _role(answer[0]) in ("system", "user")


def _role(message: Mapping[str, object]) -> str | None:
    return _conversation.ROLES.get(str(message.get("role") or message.get("from")))


def _transcript(text: str) -> list[dict[str, str]]:
    """Messages of a text that is a transcript from the human's first turn on; none for any other text."""
    parts = TRANSCRIPT.split(text.strip())
    if len(parts) < 5 or parts[0].strip() or parts[1] != "Human":
        return []
    return [
        {"role": "user" if who == "Human" else "assistant", "content": text.strip()}
        for who, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
