"""What the defense costs: prompts rendered and put into tokens, and answers scored, with every guard and with none, by turns.

Times are of the processor, the children's included, so that a busy machine changes little. docs/reliability.md has what was
measured; at most a fifth may be lost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.core import bounded_child, deadline
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.core.values import Example
from harness.models import chat_template
from harness.models.chat import load_chat
from harness.results.records.sample import SampleRecord
from harness.runner.scoring import scored
from harness.tasks import template_child, template_sandbox, templates
from tests.unit.test_chat_templates import CHATML, FAMILIES, LLAMA3, _tokenizer

pytestmark = pytest.mark.benchmark

PROMPTS, ROUNDS = 300, 5
LEAST = 0.8
"""Prompts or answers per second with the guards, as a share of those without."""
NOISE = 0.1
MACRO = (
    "{%- macro turn(m) %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endmacro %}"
    "{% for m in messages %}{{ turn(m) }}{% endfor %}<|im_start|>assistant\n"
)
INPUTS = {
    "plain": "Classify the ticket of {{ name }}.\n{{ input }}",
    "program": "{% set whole = input ~ name %}{{ whole | replace('word', 'w') }}",
}
CHATS = {"bundled": None, "ChatML": CHATML, "Llama 3": LLAMA3, "with a macro": MACRO}
SCHEMA = {
    "type": "object",
    "properties": {"queue": {"enum": ["a", "b"]}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["queue"],
}
ANSWERS = {
    "JSON": ({"kind": "json_schema", "schema": SCHEMA}, '{"queue": "a", "tags": ["x", "y"]}', {"queue": "a"}),
    "JSON in prose": ({"kind": "json_schema", "schema": SCHEMA}, 'It is:\n```json\n{"queue": "b"}\n```', {"queue": "a"}),
    "choice": ({"kind": "choice", "choices": ["red", "green", "blue"]}, "I would say green.", "green"),
    "number": ({"kind": "number"}, "The answer is 42.", 42),
    "text": ({"kind": "text"}, "The answer is blue.", "blue"),
    "SQL": ({"kind": "sql"}, "SELECT a, COUNT(*) FROM t WHERE b = 1 GROUP BY a", "SELECT a FROM t"),
}  # fmt: skip


def _clock() -> float:
    """Processor seconds of this process and of the children that render."""
    children: list[bounded_child.Child] = [
        *template_child._children.values(),
        *chat_template._children.values(),
    ]
    alive = [child._process.pid for child in children if child.is_alive]
    spent = [int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in alive]
    return time.process_time() + sum(spent) / 1e9


@contextlib.contextmanager
def _unguarded() -> Iterator[None]:
    """Everything rendered, read and scored here, without a limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "render", template_sandbox.render)
        patch.setattr(templates, "ahead", lambda *_: None)
        patch.setattr(chat_template.Conversation, "is_cheap", property(lambda _: True))
        patch.setattr(deadline, "within", lambda *_: contextlib.nullcontext())
        yield


def _share(work: Callable[[int], object]) -> tuple[float, float]:
    """Seconds without and with the guards: the fastest of several rounds, by turns."""
    without, guarded = [], []
    for number in range(ROUNDS + 1):
        with _unguarded():
            began = _clock()
            work(number)
            without.append(_clock() - began)
        template_child._kept.clear()
        chat_template._kept.clear()
        began = _clock()
        work(number)
        guarded.append(_clock() - began)
    return min(without[1:]), min(guarded[1:])


def _report(name: str, unit: str, count: int, seconds: tuple[float, float]) -> None:
    before, after = (count / one for one in seconds)
    print(f"\n| {name} | {before:,.0f} | {after:,.0f} | {after / before:.2f} | {unit}", end="")
    assert after / before > LEAST - NOISE


@pytest.mark.parametrize("chat_name", CHATS)
@pytest.mark.parametrize("input_name", INPUTS)
def test_prompts(input_name: str, chat_name: str) -> None:
    """From the example to token ids, as answering does it: rendered ahead, asked once whether it fits, once to answer."""
    form = build("formats", {"kind": "text"})
    scorers = (build("scorers", "exact"),)
    task = Task(name="t", version=1, instructions="Classify it.", input=INPUTS[input_name], format=form, scorers=scorers,
        primary="exact", splits={}, corpus=(), folder=Path(), data_hash="")  # fmt: skip
    chat = load_chat("tiny")
    if CHATS[chat_name] is not None:
        chat.tokenizer = _tokenizer(FAMILIES["llama3" if chat_name == "Llama 3" else "chatml"])
        chat.template = CHATS[chat_name]
    prompter = build("programs", "zero_shot").prepare(task, (), 0)

    def work(number: int) -> None:
        rows = [{"input": "word " * 200 + str(k), "name": f"n{number}"} for k in range(PROMPTS)]
        templates.ahead((task.instructions, task.input), rows)
        for k, row in enumerate(rows):
            messages = prompter(Example(id=str(k), input=row, target="x")).messages
            for _ in range(2):
                chat.encode(messages)

    _report(f"prompt, {input_name}; chat template: {chat_name}", "prompts", PROMPTS, _share(work))


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    spec, answer, target = ANSWERS[name]
    form = build("formats", spec)
    task = Task(name="t", version=1, instructions="", input="", format=form, scorers=(build("scorers", "exact"),),
        primary="exact", splits={}, corpus=(), folder=Path(), data_hash="")  # fmt: skip
    row = SampleRecord(sample_id="a", output=answer, finish_reason="stop", tokens_out=9)
    example = Example(id="a", input={}, target=target)
    seconds = _share(lambda _: [scored(task, row, example) for _ in range(PROMPTS)])
    _report(f"answer, {name}", "answers", PROMPTS, seconds)
