"""What a server's reply holds: the text, how it ended, tool calls, thoughts, and counts of tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeGuard

from harness.core.json_types import JsonValue
from harness.core.secrets import masked
from harness.core.tools import call as call_of
from harness.engines._openai.faults import NoAnswerError, short

MOST_TOKENS = 10**8
LONGEST_NAME = 500
"""Characters of the name of a model."""
Answer = tuple[str, Literal["stop", "length", "refused"], str | None]
"""Text, finish reason, and why there is no answer."""


def answer(choice: Mapping[str, Any]) -> Answer:
    """The answer in a choice.

    Raises:
        NoAnswerError: it holds nothing to score: no text, or a tool call that was not requested.
    """
    message, finish = choice["message"], choice.get("finish_reason")
    text = _text(message.get("content"))
    if refusal := message.get("refusal"):
        return str(refusal), "refused", f"refused by the model: {short(str(refusal))}"
    if finish == "content_filter":
        return text or "", "refused", "refused by the server's content filter (finish_reason content_filter)"
    if not text and (message.get("tool_calls") or message.get("function_call") or finish == "tool_calls"):
        raise NoAnswerError(f"a tool call instead of a text (finish_reason {short(str(finish))})")
    if text is None and finish != "length" and not reasoning(message):
        raise NoAnswerError(f"no text: content is null (finish_reason {short(str(finish))})")
    return text or "", "length" if finish == "length" else "stop", None


def with_calls(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """A choice with the requested tool calls as its text: `{"name": …, "arguments": {…}}`."""
    made = choice["message"].get("tool_calls")
    functions = [call.get("function") for call in made or () if isinstance(call, dict)]
    named = [f for f in functions if isinstance(f, dict) and isinstance(f.get("name"), str)]
    if not named or len(named) < len(functions):
        return choice
    calls = [call_of(function) for function in named]
    text = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    return {
        **choice,
        "message": {**choice["message"], "content": text, "tool_calls": None},
        "finish_reason": "stop",
    }


def reasoning(message: Mapping[str, JsonValue]) -> str:
    """The model's thoughts, if the server sends them apart from the answer, as vLLM, DeepSeek and OpenRouter do."""
    return str(message.get("reasoning_content") or message.get("reasoning") or "")


def reasoning_tokens(usage: JsonValue) -> int | None:
    """How many tokens the model spent on thoughts; None if the server does not say."""
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    tokens = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    return tokens if is_count(tokens) else None


def is_count(value: object) -> TypeGuard[int]:
    """Whether a server's token count is plausible: a whole number, not negative, and no more than any model reads."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


def model_name(model: JsonValue) -> str | None:
    """The name the server gives the model that answered, without secrets; every answer's record holds it."""
    return masked(model)[:LONGEST_NAME] if isinstance(model, str) and model else None


def _text(content: JsonValue) -> str | None:
    """The text of a message; for a message in parts, its text parts joined.

    Raises:
        NoAnswerError: it is an object.
    """
    if isinstance(content, dict):
        raise NoAnswerError("no text: content is an object")
    if not isinstance(content, list):
        return None if content is None else str(content)
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if texts else None
