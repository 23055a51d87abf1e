"""Layouts that data sets come in: `init` reads each as it is, and the model sees what a person would expect."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.core.tools import as_text, offered
from harness.core.values import Example
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load

Row = dict[str, Any]
Messages = list[tuple[str, str]]
N = 20


def made(folder: Path, data: Any, name: str = "data.jsonl", **wish: Any) -> tuple[Made, Task]:
    """A task from rows (JSONL, Parquet) or from one JSON value."""
    path = folder / "mine" / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(data), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    else:
        path.write_text(json.dumps(data), encoding="utf-8")
    task = init(str(path), folder / "tasks", Wish(**wish))
    return task, load(task.folder)


def examples(task: Task) -> dict[str, Example]:
    return {example.id: example for part in task.splits.values() for example in part}


def prompt_of(task: Task, example: Example, program: str = "zero_shot") -> Messages:
    """The messages that a model is asked with."""
    prompt = build("programs", program).prepare(task, task.splits["train"], 0)(example)
    return [(turn.role, turn.content) for turn in prompt.messages]


def prompts(task: Task) -> list[tuple[Messages, Any]]:
    """What is asked about every example, and the answer to give, in the order of the file."""
    ordered = sorted(examples(task).values(), key=lambda e: int(e.id.split("-")[1].split(".")[0]))
    return [(prompt_of(task, example), example.target) for example in ordered]


def message(role: str, content: Any, **more: Any) -> Row:
    return {"role": role, "content": content, **more}


def rows(row: Callable[[int], Row]) -> list[Row]:
    return [row(i) for i in range(N)]


def test_a_chat_s_turns_stay_turns_and_its_system_prompt_becomes_the_instructions(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        turns = [
            message("user", f"I am guest {i}"),
            message("assistant", "Welcome!"),
            message("user", "My room?"),
        ]
        return {
            "messages": [
                message("system", "You run {{ a }} hotel."),
                *turns,
                message("assistant", f"Room {i}"),
            ]
        }

    task_made, task = made(tmp_path, rows(row))
    assert task.instructions.strip() == "{% raw %}You run {{ a }} hotel.{% endraw %}"
    assert prompts(task)[3] == (
        [
            ("system", "You run {{ a }} hotel."),
            ("user", "I am guest 3"),
            ("assistant", "Welcome!"),
            ("user", "My room?"),
        ],
        "Room 3",
    )
    assert "rows: layout 'chat messages'" in task_made.guesses
    assert any(line.startswith("messages: system prompt, earlier turns") for line in task_made.guesses)
    assert task_made.example is not None
    assert [message.role for message in task_made.example.messages] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("column", ["conversation", "messages", "prompt", "input"])
def test_a_conversation_with_its_answer_beside_it_stays_turns(tmp_path: Path, column: str) -> None:
    def row(i: int) -> Row:
        turns = [message("user", f"hello {i}"), message("assistant", "hi"), message("user", f"what {i}?")]
        return {"id": str(i), column: turns, "target": f"answer number {i}", "source": "web"}

    result, task = made(tmp_path, rows(row))
    example = examples(task)["3"]
    asked = [("user", "hello 3"), ("assistant", "hi"), ("user", "what 3?")]
    assert prompt_of(task, example)[-3:] == asked
    assert (example.input, example.target) == ({"input": "what 3?"}, "answer number 3")
    assert example.meta == {"source": "web"}
    assert any("the last message as the input" in guess for guess in result.guesses)


def test_a_history_beside_a_question_is_turns(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        turns = [message("user", f"hello {i}"), message("assistant", "hi")]
        return {"id": str(i), "history": turns, "question": f"what {i}?", "answer": f"answer number {i}"}

    _, task = made(tmp_path, rows(row))
    asked = [("user", "hello 3"), ("assistant", "hi"), ("user", "what 3?")]
    assert prompt_of(task, examples(task)["3"])[-3:] == asked


def test_system_prompts_that_differ_stay_with_their_rows(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        system = [message("system", f"You are {i}.")] if i % 2 else []
        return {"messages": [*system, message("user", f"hi {i}"), message("assistant", f"I am {i}")]}

    _, task = made(tmp_path, rows(row))
    shown = prompts(task)
    assert shown[0][0] == [("user", "hi 0")]
    assert shown[1][0] == [("system", "You are 1."), ("user", "hi 1")]


def test_few_shot_shows_whole_conversations(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        before = [message("user", f"guest {i}"), message("assistant", "yes?")]
        return {"messages": [*before, message("user", "room?"), message("assistant", f"number {i}")]}

    _, task = made(tmp_path, rows(row))
    asked = task.splits["test"][0]
    messages = prompt_of(task, asked, "few_shot")[1:]
    assert len(messages) == 8 * 4 + 3
    assert [role for role, _ in messages] == ["user", "assistant"] * 17 + ["user"]
    shot = messages[:4]
    number = shot[0][1].removeprefix("guest ")
    assert shot == [
        ("user", f"guest {number}"),
        ("assistant", "yes?"),
        ("user", "room?"),
        ("assistant", f"number {number}"),
    ]
    assert messages[-3:] == [*((t.role, t.content) for t in asked.turns), ("user", "room?")]


def test_conversations_that_end_alike_are_no_duplicates(tmp_path: Path) -> None:
    from harness.tasks import checks

    def row(i: int) -> Row:
        before = [message("user", f"I like colour number {i} best"), message("assistant", "Nice.")]
        return {"messages": [*before, message("user", "Which one?"), message("assistant", f"Number {i}")]}

    _, task = made(tmp_path, rows(row))
    assert {p.check for p in checks.problems(task)} & {"duplicates", "leak train/test"} == set()


def test_a_greeting_of_the_assistant_is_quoted_in_the_system_prompt(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        return {
            "messages": [
                message("assistant", "Good day!"),
                message("user", f"q {i}"),
                message("assistant", f"a {i}"),
            ]
        }

    _, task = made(tmp_path, rows(row))
    system = ("system", "You began the conversation with: Good day!")
    assert prompts(task)[2] == ([system, ("user", "q 2")], "a 2")


def test_turns_are_kept_with_a_sample_a_generated_example_and_an_exported_shot(tmp_path: Path) -> None:
    from harness.core.values import Completion
    from harness.export import program
    from harness.methods.data import _generated
    from harness.runner.scoring import sample

    def row(i: int) -> Row:
        before = [message("user", f"guest {i}"), message("assistant", "yes?")]
        return {"messages": [*before, message("user", "room?"), message("assistant", f"number {i}")]}

    _, task = made(tmp_path, rows(row))
    example = task.splits["test"][0]
    turns = [{"role": turn.role, "content": turn.content} for turn in example.turns]
    assert len(turns) == 2
    prompt = build("programs", "zero_shot").prepare(task, (), 0)(example)
    answer = Completion(text="number", tokens_in=1, tokens_out=1, finish_reason="stop", seconds=0.0)
    assert sample(task, example, prompt, answer).to_json()["turns"] == turns
    stored = json.loads(json.dumps(dataclasses.asdict(example)))
    assert _generated._example(stored) == example
    shown = program._shot(task, example)
    assert (shown["turns"], shown["input"]) == (turns, {"input": "room?"})


def test_answers_without_weight_are_shown_and_not_learnt(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        if i == 7:
            return {"messages": [message("user", "q"), message("assistant", "x", weight=0)]}
        last = [message("user", "thanks"), message("assistant", "bye", weight=0)]
        first = [message("user", f"a {i}"), message("assistant", "wrong", weight=0)]
        return {
            "messages": [*first, message("user", f"b {i}"), message("assistant", f"c {i}", weight=1), *last]
        }

    task_made, task = made(tmp_path, rows(row))
    messages, target = prompts(task)[2]
    assert messages[-3:] == [("user", "a 2"), ("assistant", "wrong"), ("user", "b 2")]
    assert target == "c 2"
    assert (
        "left out: 1 row of the data (line 8): no answer to learn (its answers have weight 0)"
        in task_made.guesses
    )


def test_content_parts_and_the_developer_role_are_text(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        parts = [{"type": "text", "text": "Look:"}, {"type": "input_text", "text": f"thing {i}"}]
        return {
            "messages": [
                message("developer", "Be kind."),
                message("user", parts),
                message("assistant", f"a {i}"),
            ]
        }

    _, task = made(tmp_path, rows(row))
    assert prompts(task)[4] == ([("system", "Be kind."), ("user", "Look:\nthing 4")], "a 4")


def test_a_picture_in_a_message_is_named_with_its_row(tmp_path: Path) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "x"}}]
    data = rows(lambda i: {"messages": [message("user", parts), message("assistant", "a")]})
    with pytest.raises(
        ConfigError, match=r"mine/data\.jsonl:1: a message has a part of type 'image_url'.* — "
    ):
        made(tmp_path, data)
    assert not list((tmp_path / "tasks").glob("*"))


def test_one_odd_row_is_left_out_and_named(tmp_path: Path) -> None:
    data = rows(lambda i: {"messages": [message("user", f"q {i}"), message("assistant", f"a {i}")]})
    data[4]["messages"].pop()
    task_made, task = made(tmp_path, data)
    assert len(examples(task)) == N - 1
    (line,) = (line for line in task_made.guesses if line.startswith("left out"))
    assert line.startswith(
        "left out: 1 row of the data (line 5): the last message is from 'user' — it must be"
    )


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def test_tools_are_offered_and_calls_are_the_answer(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        call = {
            "id": "c",
            "type": "function",
            "function": {"name": "weather", "arguments": f'{{"day": {i}}}'},
        }
        asked = [message("user", f"Rain on day {i}?"), message("assistant", None, tool_calls=[call])]
        return {"messages": asked, "tools": [WEATHER], "parallel_tool_calls": False}

    _, task = made(tmp_path, rows(row))
    prompt = build("programs", "zero_shot").prepare(task, (), 0)(examples(task)["row-6"])
    assert offered(prompt.messages) == [WEATHER]
    listed = as_text(prompt.messages)
    assert listed[0].role == "system"
    assert '{"name": "weather", "parameters": {"type": "object"}}' in listed[0].content
    messages, target = prompts(task)[5]
    assert messages[1:] == [("user", "Rain on day 5?")]
    assert target == {"name": "weather", "arguments": {"day": 5}}
    assert task.format.name() == "json_schema"


def test_what_a_tool_returned_is_a_turn_of_the_user(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        call = {"id": "c1", "function": {"name": "weather", "arguments": '{"day": 1}'}}
        turns = [
            message("user", f"Rain in {i}?"),
            message("assistant", "", tool_calls=[call]),
            message("tool", "wet", tool_call_id="c1"),
        ]
        return {"messages": [*turns, message("assistant", f"Yes, {i} times.")], "tools": [WEATHER]}

    _, task = made(tmp_path, rows(row))
    messages, target = prompts(task)[1]
    assert messages[1:] == [
        ("user", "Rain in 1?"),
        ("assistant", '{"name": "weather", "arguments": {"day": 1}}'),
        ("user", "weather returned: wet"),
    ]
    assert target == "Yes, 1 times."


def test_sharegpt(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        turns = [("human", f"one {i}"), ("gpt", "two"), ("human", "three"), ("gpt", f"four {i}")]
        return {
            "id": f"s-{i}",
            "system": "Count.",
            "conversations": [{"from": a, "value": b} for a, b in turns],
        }

    _, task = made(tmp_path, rows(row))
    assert prompts(task)[6] == (
        [("system", "Count."), ("user", "one 6"), ("assistant", "two"), ("user", "three")],
        "four 6",
    )
    assert "s-6" in examples(task)


def test_a_json_file_of_bare_conversations(tmp_path: Path) -> None:
    data = [[message("user", f"q {i}"), message("assistant", f"a {i}")] for i in range(N)]
    _, task = made(tmp_path, data, "data.json")
    assert prompts(task)[2][0][-1] == ("user", "q 2")


def test_alpaca(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        past = [["hello", "hi"]] if i % 2 else []
        text = "" if i % 3 else f"number {i}"
        return {"instruction": "Say it", "input": text, "output": f"it {i}", "history": past, "source": "me"}

    task_made, task = made(tmp_path, rows(row))
    shown = prompts(task)
    assert shown[3][0][1:] == [("user", "hello"), ("assistant", "hi"), ("user", "Say it\n\nnumber 3")]
    assert shown[4][0][1:] == [("user", "Say it")]
    assert (shown[4][1], examples(task)["row-5"].meta) == ("it 4", {"source": "me"})
    assert "carried in meta: source" in task_made.guesses


def test_dolly_is_alpaca_under_other_names(tmp_path: Path) -> None:
    data = rows(lambda i: {"instruction": f"Who is {i}?", "context": f"{i} is me.", "response": f"you {i}"})
    _, task = made(tmp_path, data)
    messages, target = prompts(task)[2]
    assert (messages[-1], target) == (("user", "Who is 2?\n\n2 is me."), "you 2")


def test_prompt_and_completion(tmp_path: Path) -> None:
    _, task = made(tmp_path, rows(lambda i: {"prompt": f"p {i}", "completion": f" c {i}\n"}))
    messages, target = prompts(task)[2]
    assert (messages[-1], target) == (("user", "p 2"), "c 2")


PREFERENCES: dict[str, Callable[[int], Row]] = {
    "texts": lambda i: {"prompt": f"p {i}", "chosen": f" good {i} ", "rejected": f" bad {i}\n"},
    "texts that repeat the prompt": lambda i: {
        "prompt": f"p {i}",
        "chosen": f"p {i} good {i}",
        "rejected": f"p {i} bad {i}",
    },
    "answers as messages": lambda i: {
        "prompt": [message("user", f"p {i}")],
        "chosen": [message("assistant", f"good {i}")],
        "rejected": [message("assistant", f"bad {i}")],
    },
    "conversations that repeat the prompt": lambda i: {
        "prompt": f"p {i}",
        "chosen": [message("user", f"p {i}"), message("assistant", f"good {i}")],
        "rejected": [message("user", f"p {i}"), message("assistant", f"bad {i}")],
    },
    "messages beside them": lambda i: {
        "prompt": f"p {i}",
        "messages": [message("user", f"p {i}"), message("assistant", f"good {i}")],
        "chosen": [message("user", f"p {i}"), message("assistant", f"good {i}")],
        "rejected": [message("user", f"p {i}"), message("assistant", f"bad {i}")],
    },
    "messages instead of a prompt": lambda i: {
        "messages": [message("user", f"p {i}"), message("assistant", f"good {i}")],
        "chosen": f"good {i}",
        "rejected": f"bad {i}",
    },
    "OpenAI's names": lambda i: {
        "input": {"messages": [message("user", f"p {i}")]},
        "preferred_output": [message("assistant", f"good {i}")],
        "non_preferred_output": [message("assistant", f"bad {i}")],
    },
    "transcripts": lambda i: {
        "chosen": f"\n\nHuman: p {i}\n\nAssistant: good {i}",
        "rejected": f"\n\nHuman: p {i}\n\nAssistant: bad {i}",
    },
}


@pytest.mark.parametrize("kind", PREFERENCES)
def test_preferences_ask_once_and_keep_both_answers(tmp_path: Path, kind: str) -> None:
    task_made, task = made(tmp_path, rows(PREFERENCES[kind]))
    assert "rows: layout 'preference pairs'" in task_made.guesses
    example = examples(task)["row-3"]
    assert [m for m in prompt_of(task, example) if m[0] != "system"] == [("user", "p 2")]
    assert (example.target, example.meta["rejected"]) == ("good 2", "bad 2")


def test_feedback_pairs_a_liked_answer_with_a_disliked_one(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        return {"prompt": f"p {i // 2}", "completion": f"c {i}", "label": i % 2 == 0}

    data = [*(row(i) for i in range(2 * N)), {"prompt": "alone", "completion": "bad", "label": False}]
    task_made, task = made(tmp_path, data)
    by_id = {e.input["input"]: (e.target, e.meta.get("rejected")) for e in examples(task).values()}
    assert by_id == {f"p {i}": (f"c {2 * i}", f"c {2 * i + 1}") for i in range(N)}
    (line,) = (line for line in task_made.guesses if line.startswith("left out"))
    assert line.startswith(f"left out: 1 row of the data (line {2 * N + 1}): disliked, with no liked answer")


def passage(i: int) -> Row:
    return {
        "context": f"Passage {i} says that Ann owns {i} boats.",
        "qas": [
            {
                "id": f"q{i}a",
                "question": f"How many boats in {i}?",
                "answers": _given(str(i), f"{i} boats", str(i)),
            },
            {"id": f"q{i}b", "question": f"Who owns boats in {i}?", "answers": _given("Ann")},
            {"id": f"q{i}c", "question": f"Where is {i}?", "answers": [], "is_impossible": True},
        ],
    }


def _given(*texts: str) -> list[Row]:
    return [{"text": text, "answer_start": 0} for text in texts]


NESTED = {"version": "2.0", "data": [{"title": "Ann's_boats", "paragraphs": [passage(i) for i in range(12)]}]}


def test_squad_s_passages_become_the_corpus(tmp_path: Path) -> None:
    _, task = made(tmp_path, NESTED, "squad.json")
    by_id = examples(task)
    assert len(by_id) == 36
    assert (by_id["q4a"].target, by_id["q4b"].target, by_id["q4c"].target) == (
        ["4", "4 boats"],
        "Ann",
        "no answer",
    )
    assert {d.text for d in task.corpus} == {str(passage(i)["context"]) for i in range(12)}
    assert {d.title for d in task.corpus} == {"Ann's boats"}
    (document,) = (d for d in task.corpus if d.id == by_id["q4a"].group)
    assert by_id["q4a"].context_ids == (document.id,)
    assert document.text.startswith("Passage 4 ")
    sides = [{e.group for e in part} for part in task.splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 12
    messages = prompt_of(task, by_id["q4c"])
    assert messages[-1] == ("user", "Where is 4?")
    assert messages[0][1].endswith("Where there is no answer, say: no answer")
    gold = build("programs", {"kind": "rag", "retriever": "gold", "k": 1}).prepare(task, (), 0)(by_id["q4b"])
    assert gold.messages[-1].content.endswith(f"{document.text}\n\nWho owns boats in 4?")


@pytest.mark.parametrize("name", ["flat.parquet", "flat.jsonl"])
def test_flat_squad_is_nested_squad(tmp_path: Path, name: str) -> None:
    def flat(i: int, item: Row) -> Row:
        answers = {"text": [a["text"] for a in item["answers"]], "answer_start": [0] * len(item["answers"])}
        whole = {"title": "Ann's_boats", "context": passage(i)["context"]}
        return {"id": item["id"], **whole, "question": item["question"], "answers": answers}

    _, nested = made(tmp_path, NESTED, "nested.json")
    _, task = made(tmp_path, [flat(i, item) for i in range(12) for item in passage(i)["qas"]], name)
    assert examples(task) == examples(nested)
    assert set(task.corpus) == set(nested.corpus)


def test_a_task_file_can_name_raw_squad(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(NESTED), encoding="utf-8")
    (tmp_path / "task.yaml").write_text("data: {test: t.json}", encoding="utf-8")
    task = load(tmp_path)
    assert len(task.corpus) == 12
    assert {e.context_ids[0] for e in task.splits["test"]} == {d.id for d in task.corpus}


def test_accepted_answers(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        return {"question": f"q {i}", "answers": [] if i == 3 else [f"a {i}", f" b {i}"]}

    _, task = made(tmp_path, rows(row))
    shown = [(messages[-1], target) for messages, target in prompts(task)]
    assert shown[2:4] == [(("user", "q 2"), ["a 2", "b 2"]), (("user", "q 3"), "no answer")]


def test_an_answer_with_aliases(tmp_path: Path) -> None:
    data = rows(lambda i: {"question": f"q {i}", "answer": {"value": f"v {i}", "aliases": [f"w {i}"]}})
    _, task = made(tmp_path, data)
    assert prompts(task)[2][1] == ["v 2", "w 2"]


def test_an_empty_list_is_an_answer_where_the_format_has_no_lists(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"input": "a", "target": []}\n', encoding="utf-8")
    (tmp_path / "task.yaml").write_text("data: {test: t.jsonl}", encoding="utf-8")
    assert load(tmp_path).splits["test"][0].target == "no answer"
    schema = "data: {test: t.jsonl}\nformat: {kind: json_schema, schema: {type: array}}"
    (tmp_path / "task.yaml").write_text(schema, encoding="utf-8")
    assert load(tmp_path).splits["test"][0].target == []


def test_requests_with_annotated_spans(tmp_path: Path) -> None:
    def request(i: int, intent: str) -> Row:
        spans: list[Row] = [
            {"text": f"{intent} "},
            {"text": f"song {i}", "entity": "track"},
            {"text": " now"},
        ]
        return {"data": [*spans, *([{"text": " or "}, {"text": "B", "entity": "track"}] if i == 3 else [])]}

    data = {intent: [request(i, intent) for i in range(N)] for intent in ("Play", "Buy")}
    _, task = made(tmp_path, data, "data.json")
    shown = [(messages[-1][1], target) for messages, target in prompts(task)]
    assert shown[2] == ("Play song 2 now", {"intent": "Play", "slots": {"track": "song 2"}})
    assert shown[3][1] == {"intent": "Play", "slots": {"track": ["song 3", "B"]}}
    assert shown[N + 1][1]["intent"] == "Buy"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "once upon a time"}, "rows of text alone .* corpus"),
        ({"tokens": ["a"], "ner_tags": [0]}, "rows of tokens with a tag each"),
        ({"prompt": "p", "completions": ["a"], "labels": [True]}, "judged step by step"),
        ({"instruction": "p", "completions": [{"response": "a"}]}, "several answers to a prompt"),
        ({"image": {"bytes": "x", "path": ""}, "label": "cat"}, "images and sound"),
    ],
)
def test_what_is_not_supported_is_one_line_with_a_remedy(tmp_path: Path, row: Row, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine/data\.jsonl:1: .*{message}.*") as error:
        made(tmp_path, [row] * N)
    assert " — " in str(error.value)
    assert "\n" not in str(error.value)


def test_ids_that_repeat_are_replaced_and_said(tmp_path: Path) -> None:
    task_made, task = made(
        tmp_path, rows(lambda i: {"id": i % 5, "prompt": f"p {i}", "completion": f"c {i}"})
    )
    assert len(examples(task)) == N
    assert f"id: not taken from the data, where {N - 5} repeat another row's" in task_made.guesses


@pytest.mark.parametrize("answer", ["target: good", "chosen: good"])
def test_a_map_knows_preferences_system_prompts_and_turns(tmp_path: Path, answer: str) -> None:
    row = {
        "ask": "p",
        "good": " g ",
        "bad": " b\n",
        "who": "Be me.",
        "before": [message("user", "x"), message("assistant", "y")],
    }
    (tmp_path / "t.jsonl").write_text(json.dumps(row), encoding="utf-8")
    mapping = f"input: ask, {answer}, rejected: bad, system: who, turns: before"
    (tmp_path / "task.yaml").write_text(f"data: {{test: t.jsonl, map: {{{mapping}}}}}", encoding="utf-8")
    task = load(tmp_path)
    (example,) = task.splits["test"]
    assert prompt_of(task, example) == [
        ("system", "Be me."),
        ("user", "x"),
        ("assistant", "y"),
        ("user", "p"),
    ]
    assert (example.target, example.meta) == ("g", {"rejected": "b"})


@pytest.mark.parametrize("mapping", ["input: a", "input: a, target: b, chosen: c"])
def test_a_map_names_the_answer_once(tmp_path: Path, mapping: str) -> None:
    (tmp_path / "task.yaml").write_text(f"data: {{test: t.jsonl, map: {{{mapping}}}}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"task\.yaml:1: data\.map: .*target.*chosen"):
        load(tmp_path)


def test_rejected_answers_are_read_as_targets_are(tmp_path: Path) -> None:
    def row(i: int) -> Row:
        return {"prompt": f"p {i}", "chosen": json.dumps({"a": i}), "rejected": ' {"a":  -1} '}

    _, task = made(tmp_path, rows(row))
    assert examples(task)["row-2"].target == {"a": 1}
    assert examples(task)["row-2"].meta["rejected"] == {"a": -1}


def test_turns_are_part_of_the_data_s_hash(tmp_path: Path) -> None:
    hashes = set()
    for before in (
        [],
        [message("user", "x"), message("assistant", "y")],
        [message("user", "x"), message("assistant", "z")],
    ):
        row = {"input": "a", "target": "b", **({"turns": before} if before else {})}
        (tmp_path / "t.jsonl").write_text(json.dumps(row), encoding="utf-8")
        (tmp_path / "task.yaml").write_text("name: t\ndata: {test: t.jsonl}", encoding="utf-8")
        hashes.add(load(tmp_path).data_hash)
    assert len(hashes) == 3


def test_every_layout_is_found_by_its_file(tmp_path: Path) -> None:
    from harness.tasks import layouts

    folder = Path(layouts.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if path.stem[0] != "_"}
    assert {layout.name() for layout in layouts.known()} == files
    documented = Path("docs/tasks.md").read_text(encoding="utf-8")
    assert [layout.title for layout in layouts.known() if layout.title not in documented] == []


def test_a_layout_explains_only_columns_that_are_there() -> None:
    from harness.tasks import layouts
    from harness.tasks.located import Located

    data: Sequence[Located] = [Located(row={"prompt": "a", "completion": "b", "z": 1}, file="f", number=1)]
    layout = layouts.detect(data)
    assert layout is not None
    assert [line.split(":")[0] for line in layout.explain(data)] == [
        "prompt",
        "completion",
        "carried in meta",
    ]


KEYS = (
    *(
        "messages",
        "conversations",
        "tools",
        "prompt",
        "completion",
        "response",
        "chosen",
        "rejected",
        "label",
        "input",
    ),
    *(
        "instruction",
        "output",
        "history",
        "system",
        "context",
        "question",
        "answers",
        "answer",
        "paragraphs",
        "qas",
    ),
    *(
        "intent",
        "data",
        "preferred_output",
        "non_preferred_output",
        "id",
        "title",
        "role",
        "content",
        "from",
        "value",
    ),
    *("text", "turns", "tool_calls", "function", "name", "arguments", "type", "aliases", "weight", "target"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(("", "user", "assistant", "system", "tool", "x"))
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(("user", "assistant", "system", "tool", "x", 3))},
    optional={
        "content": JSON | st.sampled_from(("hello", "bye")),
        "tool_calls": JSON | st.lists(st.fixed_dictionaries({"function": JSON})),
        "function_call": JSON,
        "weight": LEAVES,
        "tool_call_id": LEAVES,
    },
)
PARTS = (
    JSON | st.lists(MESSAGE, max_size=4) | st.lists(st.fixed_dictionaries({"text": JSON, "question": JSON}))
)
ROWS = st.dictionaries(st.sampled_from(KEYS[:30]), PARTS, min_size=1, max_size=5)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_any_row_is_read_or_refused_in_words(data: list[Row]) -> None:
    from harness.tasks import layouts
    from harness.tasks import row_layouts as rows
    from harness.tasks.located import Located

    located = [Located(row=row, file="mine.jsonl", number=n, line=n) for n, row in enumerate(data, start=1)]
    layouts.document_rows(data)
    for layout in layouts.known():
        for row in located:
            if layout.detect(row.row) is not None:
                with contextlib.suppress(ConfigError):
                    layout.combine([(row, converted) for converted in layout.convert(row)])
    with contextlib.suppress(ConfigError):
        placed = rows.examples(located, "test", None)
        json.dumps([[dict(p.example.input), p.example.target, dict(p.example.meta)] for p in placed])
