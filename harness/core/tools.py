"""Functions that a model may call: offered in the model's own way if it has one, else listed in the system
message.

The first message of a prompt carries them (`Message.tools`), so that all code that handles messages handles
them too. A call is the JSON answer `{"name": …, "arguments": {…}}`, or a list of these for several calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.core.json_types import JsonValue
from harness.core.values import Message


def written(tools: object) -> str:
    """Functions, given as a list or as JSON text, in the form that messages carry; empty if there are none."""
    listed = value(tools)
    functions = listed if isinstance(listed, list) else [listed] if listed else []
    return json.dumps([_openai(tool) for tool in functions], ensure_ascii=False) if functions else ""


def offered(messages: Sequence[Message]) -> list[Mapping[str, JsonValue]]:
    """The functions that a prompt offers, each as OpenAI's `{type: function, function: {name, …}}`."""
    text = next((message.tools for message in messages if message.tools), "")
    functions: list[Mapping[str, JsonValue]] = json.loads(text) if text else []
    return functions


def offering(messages: Sequence[Message], tools: str) -> tuple[Message, ...]:
    """A prompt that offers functions, written as by `written`."""
    return (replace(messages[0], tools=tools), *messages[1:]) if tools else tuple(messages)


def as_text(messages: Sequence[Message]) -> tuple[Message, ...]:
    """A prompt for templates and servers without functions: they are listed at the end of the system message."""
    if not (functions := offered(messages)):
        return tuple(messages)
    plain = [replace(message, tools="") for message in messages]
    listed = _listed(functions)
    if plain[0].role == "system":
        return (replace(plain[0], content=f"{plain[0].content}\n\n{listed}"), *plain[1:])
    return (Message("system", listed), *plain)


def call(function: Mapping[str, object]) -> dict[str, JsonValue]:
    """A call with its arguments as a JSON value if they are one: `{name, arguments}`."""
    arguments = function.get("arguments")
    return {"name": function["name"], "arguments": {} if arguments in (None, "") else value(arguments)}


def value(text: object) -> Any:
    """What a text holds as JSON; anything else as it is."""
    if not isinstance(text, str) or not text:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _openai(tool: object) -> dict[str, JsonValue]:
    function = tool.get("function", tool) if isinstance(tool, dict) else {"name": str(tool)}
    if isinstance(function, dict):
        function = {name: item for name, item in function.items() if item is not None}
    return {"type": "function", "function": function}


def _listed(functions: Sequence[Mapping[str, object]]) -> str:
    lines = (json.dumps(tool["function"], ensure_ascii=False) for tool in functions)
    return (
        "You can call these functions:\n"
        + "\n".join(lines)
        + '\nTo call one, answer with JSON alone: {"name": "…", "arguments": {…}}'
    )
