"""Conversations as strangers have them: turns, weights, parts, tools; and what the model was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.strangers_kit import Messages, Walk, walk, write_jsonl

N = 20

pytestmark = pytest.mark.usefixtures("stranger")


def message(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def walked(row: Callable[[int], dict[str, Any]], count: int = N) -> Walk:
    """The walk with rows that `row` makes of their numbers."""
    write_jsonl("data.jsonl", [row(i) for i in range(count)])
    return walk("data.jsonl", "--name", "mine")


def test_chat_messages() -> None:
    done = walked(
        lambda i: {
            "messages": [
                message("system", "You run a hotel."),
                message("user", f"Room for {i}?"),
                message("assistant", f"Room {i} is free."),
            ]
        }
    )
    number = done.first.question.removeprefix("Room for ").removesuffix("?")
    assert done.first.messages == [("system", "You run a hotel."), ("user", f"Room for {number}?")]
    assert done.first.target == f"Room {number} is free."


def test_several_turns_stay_turns_of_question_and_shots() -> None:
    done = walked(
        lambda i: {
            "messages": [
                message("user", f"I am guest {i}"),
                message("assistant", "Welcome!"),
                message("user", "My room?"),
                message("assistant", f"Room {i}"),
            ]
        }
    )
    number = done.first.target.removeprefix("Room ")
    conversation: Messages = [
        ("user", f"I am guest {number}"),
        ("assistant", "Welcome!"),
        ("user", "My room?"),
    ]
    assert done.first.messages[-3:] == conversation
    (shown,) = {tuple(asked.messages[-3:]) for asked in done.asked["few_shot"][:1]}
    assert shown == tuple(conversation)
    roles = [role for role, _ in done.asked["few_shot"][0].messages if role != "system"]
    assert roles == ["user", "assistant"] * (2 * 8 + 1) + ["user"]


def test_answers_of_weight_zero_are_not_learnt() -> None:
    done = walked(
        lambda i: {
            "messages": [
                message("user", f"a {i}"),
                message("assistant", "wrong", weight=0),
                message("user", f"b {i}"),
                message("assistant", f"right {i}", weight=1),
                message("user", "thanks"),
                message("assistant", "bye", weight=0),
            ]
        }
    )
    number = done.first.target.removeprefix("right ")
    assert done.first.messages[-3:] == [
        ("user", f"a {number}"),
        ("assistant", "wrong"),
        ("user", f"b {number}"),
    ]
    assert {row["target"].split()[0] for row in done.rows()} == {"right"}


def test_content_parts_and_the_developer_role() -> None:
    done = walked(
        lambda i: {
            "messages": [
                message("developer", "Be kind."),
                message(
                    "user",
                    [{"type": "text", "text": "Look:"}, {"type": "input_text", "text": f"thing {i}"}],
                ),
                message("assistant", [{"type": "text", "text": f"a thing, number {i}"}]),
            ]
        }
    )
    number = done.first.question.split()[-1]
    assert done.first.messages == [("system", "Be kind."), ("user", f"Look:\nthing {number}")]
    assert done.first.target == f"a thing, number {number}"


def test_share_gpt() -> None:
    def row(i: int) -> dict[str, Any]:
        turns = [("human", f"one {i}"), ("gpt", "two"), ("human", "three"), ("gpt", f"four {i}")]
        return {"conversations": [{"from": who, "value": text} for who, text in turns], "system": "Count."}

    done = walked(row)
    number = done.first.target.removeprefix("four ")
    assert done.first.messages == [
        ("system", "Count."),
        ("user", f"one {number}"),
        ("assistant", "two"),
        ("user", "three"),
    ]


def test_alpaca() -> None:
    done = walked(
        lambda i: {
            "instruction": "Name the capital.",
            "input": f"Land {i}" if i % 2 else "",
            "output": f"City {i} is the capital.",
        }
    )
    number = int(done.first.target.split()[1])
    with_input = f"Name the capital.\n\nLand {number}"
    assert done.first.question == (with_input if number % 2 else "Name the capital.")


WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"day": {}}}},
}


def test_finetuning_rows_with_tools() -> None:
    def row(i: int) -> dict[str, Any]:
        function = {"name": "weather", "arguments": json.dumps({"day": i})}
        call = {"id": "call_1", "type": "function", "function": function}
        asked = [message("user", f"Rain on day {i}?"), message("assistant", None, tool_calls=[call])]
        return {"messages": asked, "tools": [WEATHER], "parallel_tool_calls": False}

    done = walked(row)
    assert '{"name": "weather", "parameters": ' in done.first.instructions
    day = done.first.target["arguments"]["day"]
    assert done.first.question == f"Rain on day {day}?"
    assert done.first.target == {"name": "weather", "arguments": {"day": day}}
    shown = done.asked["few_shot"][0].messages[2]
    assert shown[0] == "assistant"
    assert json.loads(shown[1])["name"] == "weather"


def test_what_a_tool_returned_is_shown() -> None:
    def row(i: int) -> dict[str, Any]:
        function = {"name": "weather", "arguments": "{}"}
        return {
            "messages": [
                message("user", f"Rain in {i}?"),
                message("assistant", "", tool_calls=[{"id": "c1", "function": function}]),
                message("tool", "wet", tool_call_id="c1"),
                message("assistant", f"Yes, {i} times, and more of it in the evening."),
            ],
            "tools": [WEATHER],
        }

    done = walked(row)
    assert done.first.question == "weather returned: wet"
    assert done.first.messages[-2] == ("assistant", '{"name": "weather", "arguments": {}}')


def test_prompt_and_completion() -> None:
    done = walked(lambda i: {"prompt": f"The sky over {i} is ->", "completion": f" blue {i}\n"})
    number = done.first.target.removeprefix("blue ")
    assert done.first.question == f"The sky over {number} is ->"


def test_system_prompts_that_differ_stay_with_their_rows() -> None:
    done = walked(
        lambda i: {
            "messages": [
                message("system", f"You are number {i}."),
                message("user", "Who are you?"),
                message("assistant", f"I am number {i}."),
            ]
        }
    )
    number = done.first.target.removeprefix("I am number ")
    assert done.first.messages == [("system", f"You are number {number}"), ("user", "Who are you?")]
