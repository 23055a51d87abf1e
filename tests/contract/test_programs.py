"""What every program must do, whatever it shows the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build, lookup, names
from harness.core.protocols import Program, Task
from harness.core.tools import offered, written
from harness.core.values import Document, Example, Message
from harness.tasks.formats.text import Text

SECRET = "zanzibar"


def example(name: str, question: str = "", answer: str = "", **more: str) -> Example:
    return Example(
        id=name,
        input={"question": question or f"what colour is thing {name}"} | more,
        target=answer or f"answer-of-{name}",
        context_ids=("d1",),
    )


def task(instructions: str = "Answer.", asked: str = "Q: {{ question }}", **changes: object) -> Task:
    splits = {
        "train": tuple(example(f"train{i}") for i in range(20)),
        "dev": tuple(example(f"dev{i}", answer=f"{SECRET}-dev{i}") for i in range(5)),
        "test": tuple(example(f"test{i}", answer=f"{SECRET}-test{i}") for i in range(5)),
    }
    fields = {
        "name": "colours",
        "version": 1,
        "instructions": instructions,
        "input": asked,
        "format": Text(),
        "scorers": (),
        "primary": "exact",
        "splits": splits,
        "corpus": tuple(Document(id=f"d{i}", text=f"Thing number {i} stands here.") for i in range(4)),
        "folder": Path(),
        "data_hash": "0",
    }
    return Task(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(params=names("programs"))
def program(request: pytest.FixtureRequest) -> Program:
    built: Program = build(
        "programs", {"kind": request.param, **lookup("programs", request.param).probe().settings}
    )
    return built


def test_instructions_first_question_last(program: Program) -> None:
    it = task()
    for asked in it.splits["test"]:
        messages = program.prepare(it, it.splits["train"], 0)(asked).messages
        assert [message.role for message in messages] == [
            "system",
            *["user", "assistant"] * ((len(messages) - 2) // 2),
            "user",
        ]
        asking = f"Q: {asked.input['question']}"
        assert messages[0].content.startswith("Answer.")
        assert asking in messages[-1].content
        if program.probe().plain:
            assert messages[0].content == "Answer."
            assert messages[-1].content.endswith(asking)


def test_no_dev_or_test_answer_is_ever_shown(program: Program) -> None:
    it = task()
    ask = program.prepare(it, it.splits["train"], 0)
    for split in ("dev", "test", "train"):
        for asked in it.splits[split]:
            prompt = ask(asked)
            assert SECRET not in json.dumps([message.content for message in prompt.messages])
            assert {name[:5] for name in prompt.shots} <= {"train"}


def test_a_train_example_never_sees_its_own_answer(program: Program) -> None:
    it = task()
    ask = program.prepare(it, it.splits["train"], 0)
    for asked in it.splits["train"]:
        prompt = ask(asked)
        assert asked.id not in prompt.shots
        prompt_text = [message.content for message in prompt.messages]
        assert asked.target not in prompt_text


def test_a_copy_of_a_train_example_does_not_give_its_answer_away(program: Program) -> None:
    copies = tuple(example(f"copy{i}", question="the same words", answer="given away") for i in range(4))
    pool = copies + tuple(example(f"train{i}") for i in range(20))
    ask = program.prepare(task(), pool, 3)
    for asked in copies:
        assert "given away" not in [message.content for message in ask(asked).messages]


def test_the_same_seed_gives_the_same_prompts(program: Program) -> None:
    it = task()
    first, second = (program.prepare(it, it.splits["train"], 7) for _ in range(2))
    assert [first(asked) for asked in it.splits["test"]] == [second(asked) for asked in it.splits["test"]]


def test_seeded_says_whether_another_seed_gives_another_prompt(program: Program) -> None:
    it = task()
    asked = it.splits["test"][0]
    prompts = {program.prepare(it, it.splits["train"], seed)(asked) for seed in range(8)}
    assert (len(prompts) > 1) == program.seeded


def test_a_task_without_instructions_has_no_system_message(program: Program) -> None:
    it = task(instructions="")
    roles = [m.role for m in program.prepare(it, it.splits["train"], 0)(it.splits["test"][0]).messages]
    assert "system" not in roles


def test_fields_reach_instructions_too(program: Program) -> None:
    it = task(instructions="Speak {{ language }}.", asked="{{ question }}")
    pool = tuple(example(f"train{i}", language="Dutch") for i in range(9))
    messages = program.prepare(it, pool, 0)(example("x", language="Frisian")).messages
    assert messages[0].content == "Speak Frisian."


@pytest.mark.parametrize(
    "attack",
    [
        "{{ question.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ question.format.__globals__ }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_templates_stay_in_the_sandbox(program: Program, attack: str) -> None:
    with pytest.raises(ConfigError, match="test0"):
        program.prepare(task(asked=attack), (), 0)(task().splits["test"][0])


def test_a_field_that_is_missing_names_the_example(program: Program) -> None:
    with pytest.raises(ConfigError, match=r"example 'test0'.*qestion.*did you mean 'question'"):
        program.prepare(task(asked="{{ qestion }}"), (), 0)(task().splits["test"][0])


def test_text_of_an_example_is_never_a_template(program: Program) -> None:
    it = task()
    asked = example("x", question="{{ 7 * 7 }} {% raw %}")
    assert "{{ 7 * 7 }} {% raw %}" in program.prepare(it, it.splits["train"], 0)(asked).messages[-1].content


def test_a_program_that_retrieves_says_so_and_needs_a_corpus(program: Program) -> None:
    it = task(corpus=())
    if not program.retrieves:
        assert program.prepare(it, it.splits["train"], 0)(it.splits["test"][0]).passages == ()
    else:
        with pytest.raises(ConfigError, match="corpus"):
            program.prepare(it, it.splits["train"], 0)


def test_functions_and_earlier_turns_of_a_row_are_in_the_prompt(program: Program) -> None:
    about = task()
    turns = (Message("user", "hello there"), Message("assistant", "yes?"))
    asked = replace(example("x"), turns=turns, tools=written([{"name": "weather", "parameters": {}}]))
    prompt = program.prepare(about, about.splits["train"], 0)(asked)
    assert [function["function"]["name"] for function in offered(prompt.messages)] == ["weather"]
    assert prompt.messages[-3:-1] == turns


@pytest.mark.parametrize("name", names("programs"))
def test_the_resolved_configuration_builds_the_same_program(name: str) -> None:
    built = build("programs", name)
    again = build("programs", json.loads(json.dumps(built.config())))
    assert again.identity() == built.identity()
    assert again.config() == built.config()


def test_parts_are_dropped_one_by_one_and_the_question_stays(program: Program) -> None:
    it = task()
    asked = it.splits["test"][0]
    ask = program.prepare(it, it.splits["train"], 0)
    whole = ask(asked)
    parts = len(whole.shots) + len(whole.passages)
    shorter = [ask(asked, dropped=count) for count in range(parts + 1)]
    assert [len(p.shots) + len(p.passages) for p in shorter] == list(range(parts, -1, -1))
    assert [p.shots_dropped + p.passages_dropped for p in shorter] == list(range(parts + 1))
    assert shorter[0] == whole
    for prompt in shorter:
        assert (prompt.messages[0], prompt.messages[-1].role) == (whole.messages[0], "user")
        assert f"Q: {asked.input['question']}" in prompt.messages[-1].content
    lengths = [sum(len(message.content) for message in prompt.messages) for prompt in shorter]
    assert lengths == sorted(set(lengths), reverse=True)
