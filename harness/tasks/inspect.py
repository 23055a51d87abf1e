"""Everything `harness validate` says of a task, as one value: an example, sizes, lengths, findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Chat, Format, Prompter, Task
from harness.core.values import Message
from harness.tasks import checks
from harness.tasks.answers import settle
from harness.tasks.checks import Labels, Lengths, Problem
from harness.tasks.load import examine

BUNDLED = "smollm2-135m-instruct"
SHOWN_FAULTS = 10


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How long a text is: in tokens of a model's chat, or in characters where none is at hand."""

    chat: Chat | None
    model: str | None
    why: str = ""
    context: int | None = None

    @property
    def unit(self) -> str:
        return "characters" if self.chat is None else "tokens"

    def prompt(self, messages: tuple[Message, ...]) -> int:
        if self.chat is None:
            return sum(len(message.content) for message in messages)
        return len(self.chat.encode(messages))

    def answer(self, text: str) -> int:
        """Length of an answer without its end-of-turn tokens."""
        if self.chat is None:
            return len(text)
        return len(self.chat.encode_answer(text)) - len(self.chat.encode_answer(""))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One example as a model sees it; `prompt` and `token_ids` are empty without a model."""

    id: str
    messages: tuple[Message, ...]
    target: str
    prompt: str = ""
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found; `lengths` maps split → `prompt` or `target` → lengths in `measure.unit`."""

    task: Task
    measure: Measure
    example: Shown | None
    lengths: Mapping[str, Mapping[str, Lengths | None]]
    labels: Labels | None
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        return not any(problem.level == "error" for problem in self.problems)


def inspect(name_or_path: str | Path, model: str | None = None) -> Inspection:
    """Read a task and look at all of it.

    Raises:
        ConfigError: the task does not load (bad targets alone are findings), or no such model.
    """
    task, faults = examine(name_or_path)
    measure = _measure(model)
    prompter: Prompter = build("programs", "zero_shot").prepare(task, task.splits["train"], 0)
    prompts = {e.id: measure.prompt(prompter(e).messages) for part in task.splits.values() for e in part}
    written = {e.id: _written(e.target, task.format) for part in task.splits.values() for e in part}
    answers = {key: measure.answer(text) for key, text in written.items() if text is not None}
    lengths = {
        split: {
            "prompt": checks.lengths([prompts[e.id] for e in part]),
            "target": checks.lengths([answers[e.id] for e in part if e.id in answers]),
        }
        for split, part in task.splits.items()
    }
    found = [*_faults(faults), *checks.problems(task)]
    if measure.chat is not None:
        found += checks.too_long(task, prompts, answers, measure.context)
    return Inspection(
        task=task,
        measure=measure,
        example=_example(task, written, prompter, measure if model else None),
        lengths=lengths,
        labels=checks.labels(task),
        problems=tuple(checks.by_level(found)),
    )


def shown(task: Task) -> Shown | None:
    """The first test example whose target can be written, as messages."""
    prompter: Prompter = build("programs", "zero_shot").prepare(task, task.splits["train"], 0)
    written = {e.id: _written(e.target, task.format) for e in task.splits["test"]}
    return _example(task, written, prompter, None)


def _written(target: Any, form: Format) -> str | None:
    """A target as an answer; None where the format cannot write it."""
    settled, fault = settle(target, form)
    return None if fault else form.render(settled)


def _faults(faults: list[ConfigError]) -> list[Problem]:
    shown = [Problem(level="error", check="format", message=str(fault)) for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        message = f"and {len(faults) - SHOWN_FAULTS} more targets fail the task's format"
        shown.append(Problem(level="error", check="format", message=message))
    return shown


def _example(
    task: Task, written: Mapping[str, str | None], prompter: Prompter, measure: Measure | None
) -> Shown | None:
    """The first test example whose target can be written."""
    example = next((e for e in task.splits["test"] if written[e.id] is not None), None)
    if example is None:
        return None
    messages = prompter(example).messages
    shown = Shown(id=example.id, messages=messages, target=str(written[example.id]))
    if measure is None or measure.chat is None:
        return shown
    ids = measure.chat.encode(messages)
    return Shown(
        id=shown.id,
        messages=messages,
        target=shown.target,
        prompt=measure.chat.show(ids),
        token_ids=tuple(ids),
    )


def _measure(model: str | None) -> Measure:
    """The model's chat; without a model the bundled one's, and characters where it is not there."""
    if model is not None and model.startswith(("openai:", "fake")):
        return Measure(chat=None, model=model, why="a server keeps its tokenizer to itself")
    from harness.models.chat import load_chat

    if model is not None:
        return Measure(chat=load_chat(model), model=model, context=_context(model))
    try:
        return Measure(chat=load_chat(BUNDLED), model=BUNDLED)
    except ConfigError as error:
        return Measure(chat=None, model=None, why=str(error))


def _context(model: str) -> int:
    from transformers import AutoConfig

    from harness.models.load import context_length
    from harness.models.source import resolve

    return context_length(AutoConfig.from_pretrained(resolve(model), trust_remote_code=False))
