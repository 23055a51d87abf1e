"""Messages → a system prompt, earlier turns, a question and its answer.

Chat templates want turns of user and assistant in alternation, so neighboring turns of one role become
one. The calls of functions and the results of tools become text, which every template and every server can show.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.core import tools as functions
from harness.core.json_types import JsonValue
from harness.core.values import Message
from harness.tasks.located import Located

Role = Literal["system", "user", "assistant", "tool"]
ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
TEXTS = ("text", "input_text", "output_text")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message. `value` is its text, or the call or calls that it makes as JSON values."""

    role: Role
    value: JsonValue
    learnt: bool = True
    """False for `weight: 0`: an answer that is shown but not learned."""

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A question with its answer, and what was said before it."""

    system: str
    turns: tuple[Message, ...]
    question: str
    answer: JsonValue
    tools: str = ""


def read(messages: object, located: Located, *, column: str, tools: object = None) -> Conversation | None:
    """The last answer that is to be learned, and everything before it; None if no answer is.

    Args:
        messages: a list of `{role, content}` (OpenAI) or `{from, value}` (ShareGPT).
        column: the column that holds them, for error messages.
        tools: the functions that the model may call, if the row lists them.

    Raises:
        ConfigError: not such a list, an unknown role, content that is not text, or no question before
            the answer, with the row's file and line.
    """
    turns = parse(messages, located, column=column)
    answers = [number for number, turn in enumerate(turns) if turn.role == "assistant"]
    learnt = [number for number in answers if turns[number].learnt]
    if answers and not learnt:
        return None
    last = learnt[-1] if learnt and learnt[-1] != answers[-1] else len(turns) - 1
    if turns[last].role != "assistant":
        raise located.error(
            f"the last message is from '{turns[last].role}'",
            remedy="it must be the assistant's: add the answer, or delete the row",
        )
    return _conversation(turns, turns[:last], turns[last].value, located, tools)


def asked(
    messages: object, located: Located, *, column: str, answer: JsonValue, tools: object = None
) -> Conversation:
    """A conversation that ends with the user, whose answer is in another column.

    Raises:
        ConfigError: as in `read`.
    """
    turns = parse(messages, located, column=column)
    return _conversation(turns, turns, answer, located, tools)


def awaits_answer(value: Any) -> bool:
    """Whether a value is a list of messages of which the last is not the assistant's."""
    if not is_messages(value):
        return False
    role = ROLES.get(str(value[-1].get("role") or value[-1].get("from")).lower())
    return role in ("user", "tool")


def _conversation(
    turns: Sequence[Turn], shown: Sequence[Turn], answer: JsonValue, located: Located, tools: object
) -> Conversation:
    system = [turn.text for turn in turns if turn.role == "system"]
    before = merged(turn for turn in shown if turn.role != "system")
    if not before:
        raise located.error("no message from the user before the answer", remedy="add it, or delete the row")
    if before[-1].role != "user":
        raise located.error("two messages from the assistant in a row before the end", remedy="join them")
    if before[0].role == "assistant":
        # Templates that want turns in alternation refuse a conversation that the assistant begins.
        system.append(f"You began the conversation with: {before[0].content}")
        before = before[1:]
    return Conversation(
        system="\n\n".join(system),
        turns=before[:-1],
        question=before[-1].content,
        answer=answer,
        tools=functions.written(tools),
    )


def parse(messages: object, located: Located, *, column: str) -> list[Turn]:
    """The messages of a conversation, tools included.

    Raises:
        ConfigError: as in `read`.
    """
    if not isinstance(messages, list) or not messages:
        raise located.error(
            f"'{column}' must be a list of messages that ends with the answer (got {str(messages)[:80]})",
            remedy="correct or delete the row",
        )
    calls: dict[str, str] = {}
    return [_turn(message, located, calls) for message in messages]


def merged(turns: Iterable[Turn]) -> tuple[Message, ...]:
    """User and assistant messages in alternation: tools speak as the user, neighbors are joined."""
    messages: list[Message] = []
    for turn in turns:
        role: Literal["user", "assistant"] = "assistant" if turn.role == "assistant" else "user"
        if messages and messages[-1].role == role:
            messages[-1] = Message(role, f"{messages[-1].content}\n\n{turn.text}")
        else:
            messages.append(Message(role, turn.text))
    return tuple(messages)


def is_messages(value: object) -> bool:
    """Whether a value is a list of messages, of OpenAI's or ShareGPT's kind."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and ("role" in item or "from" in item) for item in value)
    )


def _turn(message: Any, located: Located, calls: dict[str, str]) -> Turn:
    name = (message.get("role") or message.get("from")) if isinstance(message, dict) else None
    role = ROLES.get(str(name).lower())
    if role is None:
        known = ", ".join(ROLES)
        raise located.error(
            f"a message's role must be system, user or assistant (got {name!r})", f"known: {known}"
        )
    if role == "assistant" and (made := _calls(message)):
        values = [_call(call, located, calls) for call in made]
        value: Any = values[0] if len(values) == 1 else values
    else:
        value = _content(message, located)
        if role == "assistant" and name == "function_call":
            value = functions.value(value)
        if role == "tool":
            tool = message.get("name") or calls.get(str(message.get("tool_call_id")), "the tool")
            value = f"{tool} returned: {value}"
    return Turn(role=role, value=value, learnt=message.get("weight") not in (0, 0.0))


def _content(message: Mapping[str, object], located: Located) -> str:
    content = message.get("content", message.get("value"))
    if isinstance(content, list):
        return "\n".join(_part(part, located) for part in content)
    if content is None and isinstance(message.get("refusal"), str):
        return str(message["refusal"])
    if not isinstance(content, str):
        fault = "a message has no content" if content is None else "a message's content must be a text"
        raise located.error(
            fault if content is None else f"{fault} (got {str(content)[:80]})",
            remedy="write its text, or delete the row",
        )
    return content


def _part(part: Any, located: Located) -> str:
    kind = part.get("type", "text") if isinstance(part, dict) else type(part).__name__
    if isinstance(part, str):
        return part
    if kind in TEXTS and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    raise located.error(
        f"a message has a part of type '{kind}'", remedy="models are asked in text: leave such rows out"
    )


def _calls(message: Mapping[str, object]) -> list[object]:
    """The calls that a message makes, under the current name and the previous one."""
    many, one = message.get("tool_calls"), message.get("function_call")
    return [*(many if isinstance(many, list) else [many] if many else []), *([one] if one else [])]


def _call(call: Any, located: Located, calls: dict[str, str]) -> dict[str, JsonValue]:
    """`{name, arguments}` of a tool call, its arguments as a JSON value if they are one."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise located.error(f"a tool call needs a function with a name (got {call!r})")
    calls[str(call.get("id"))] = function["name"]
    return functions.call(function)
