"""Everything `harness validate` reports about a task, as one value: an example, sizes, lengths, findings."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.core.activity import working
from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.kinds import build
from harness.core.protocols import Chat, Format, Prompter, Task
from harness.core.tools import as_text
from harness.core.values import Example, Message
from harness.tasks import checks, writable
from harness.tasks.answers import settle
from harness.tasks.checks import Lengths
from harness.tasks.label_checks import Labels, labels
from harness.tasks.load import examine
from harness.tasks.problems import Problem
from harness.tasks.prompt_size import PromptSize, by_bytes

BUNDLED = "smollm2-135m-instruct"
SHOWN_FAULTS = 10
SAMPLE = 2000
"""Evenly spaced rows of a split whose tokens are counted if the split has more, besides the longest."""
LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How long a text is: in tokens of a model's chat, or in characters if no model is at hand."""

    chat: Chat | None
    model: str | None
    why: str = ""
    context: int | None = None
    vocabulary: int | None = None
    """How many token ids the model's embedding has; None if that is not known."""

    @property
    def unit(self) -> str:
        return "characters" if self.chat is None else "tokens"

    def prompt(self, messages: tuple[Message, ...]) -> int:
        if self.chat is None:
            return sum(len(message.content) for message in as_text(messages))
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

    def as_json(self) -> dict[str, JsonValue]:
        """The same as plain JSON values."""
        return asdict(self) | {"messages": [message.row() for message in self.messages]}


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found; `lengths` maps split → `prompt` or `target` → lengths in `measure.unit`.

    `measured` is how many rows of each split they are from.
    """

    task: Task
    measure: Measure
    example: Shown | None
    lengths: Mapping[str, Mapping[str, Lengths | None]]
    labels: Labels | None
    problems: tuple[Problem, ...]
    measured: Mapping[str, int]

    @property
    def usable(self) -> bool:
        return not any(problem.level == "error" for problem in self.problems)


def inspect(name_or_path: str | Path, model: str | None = None) -> Inspection:
    """Read a task and examine all of it.

    Raises:
        ConfigError: the task does not load (bad targets alone are findings), or no such model.
    """
    with working(f"reading {name_or_path}") as activity:
        task, faults = examine(name_or_path)
        # First, so that the memory it needs for a while is freed before a tokenizer is loaded.
        activity.now("looking for duplicates and leaks")
        problems = [*_faults(faults), *checks.problems(task), *writable.problems(task)]
        activity.now("counting tokens")
        measure = _measure(model)
        prompter: Prompter = build("programs", "zero_shot").prepare(task, task.splits["train"], 0)
        spread = {split: part[:: max(1, -(-len(part) // SAMPLE))] for split, part in task.splits.items()}
        chosen = {e.id: e for s, part in task.splits.items() for e in (*spread[s], *_longest(part))}
        prompts = {key: measure.prompt(prompter(e).messages) for key, e in chosen.items()}
        written = {key: _written(e.target, task.format) for key, e in chosen.items()}
        answers = {key: measure.answer(text) for key, text in written.items() if text is not None}
        counts = {"prompt": prompts, "target": answers}
        lengths = {
            split: {name: _lengths(part, spread[split], known) for name, known in counts.items()}
            for split, part in task.splits.items()
        }
        if measure.chat is not None:
            problems += checks.too_long(task, prompts, answers, measure.context)
            problems += checks.beyond_embedding(
                _unembedded(measure, chosen, prompter, written), measure.vocabulary
            )
        if measure.context is None:
            problems += checks.long_rows(task)
    return Inspection(
        task=task,
        measure=measure,
        example=_example(task, prompter, measure if model else None),
        lengths=lengths,
        labels=labels(task),
        problems=tuple(checks.by_level(problems)),
        measured={split: sum(e.id in prompts for e in part) for split, part in task.splits.items()},
    )


def shown(task: Task) -> Shown | None:
    """The first test example whose target can be written, as messages."""
    prompter: Prompter = build("programs", "zero_shot").prepare(task, task.splits["train"], 0)
    return _example(task, prompter, None)


def plain_prompts(task: Task) -> PromptSize:
    """How long the plain prompts and the answers of the train split are."""
    prompter: Prompter = build("programs", "zero_shot").prepare(task, task.splits["train"], 0)
    return by_bytes(task, prompter, task.splits["train"])


def _longest(part: Sequence[Example]) -> list[Example]:
    """The rows whose inputs or targets have the most characters, if not all rows are measured."""
    if len(part) <= SAMPLE:
        return []
    inputs = heapq.nlargest(LONGEST, part, key=lambda e: sum(len(str(value)) for value in e.input.values()))
    return [*inputs, *heapq.nlargest(LONGEST, part, key=lambda e: len(str(e.target)))]


def _lengths(part: Sequence[Example], spread: Sequence[Example], known: Mapping[str, int]) -> Lengths | None:
    """Lengths of the evenly spaced rows; the greatest is that of all that were measured."""
    lengths = checks.lengths([known[e.id] for e in spread if e.id in known])
    most = max((known[e.id] for e in part if e.id in known), default=0)
    return lengths and replace(lengths, max=most)


def _written(target: JsonValue, form: Format) -> str | None:
    """A target as an answer; None if the format cannot write it."""
    settled, fault = settle(target, form)
    return None if fault else form.render(settled)


def _faults(faults: list[ConfigError]) -> list[Problem]:
    shown = [Problem(level="error", check="format", message=str(fault)) for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        message = f"and {len(faults) - SHOWN_FAULTS} more targets fail the task's format"
        shown.append(Problem(level="error", check="format", message=message))
    return shown


def _example(task: Task, prompter: Prompter, measure: Measure | None) -> Shown | None:
    """The first test example whose target can be written."""
    pairs = ((e, _written(e.target, task.format)) for e in task.splits["test"])
    example, written = next((pair for pair in pairs if pair[1] is not None), (None, None))
    if example is None or written is None:
        return None
    messages = prompter(example).messages
    shown = Shown(id=example.id, messages=as_text(messages), target=written)
    if measure is None or measure.chat is None:
        return shown
    ids = measure.chat.encode(messages)
    return Shown(
        id=shown.id,
        messages=shown.messages,
        target=shown.target,
        prompt=measure.chat.show(ids),
        token_ids=tuple(ids),
    )


def _measure(model: str | None) -> Measure:
    """The model's chat; without a model the bundled one's, or characters if that is missing."""
    if model is not None and model.startswith(("openai:", "fake")):
        return Measure(chat=None, model=model, why="a server keeps its tokenizer to itself")
    from harness.models.chat import load_chat

    if model is not None:
        context, vocabulary = _sizes(model)
        return Measure(chat=load_chat(model), model=model, context=context, vocabulary=vocabulary)
    try:
        return Measure(chat=load_chat(BUNDLED), model=BUNDLED)
    except ConfigError as error:
        return Measure(chat=None, model=None, why=str(error))


def _unembedded(
    measure: Measure, chosen: Mapping[str, Example], prompter: Prompter, written: Mapping[str, str | None]
) -> dict[str, int]:
    """Examples whose prompt or target has a token id that the model has no embedding for, with the id."""
    chat, most = measure.chat, measure.vocabulary
    if chat is None or most is None or len(chat.tokenizer) <= most:
        return {}
    highest = {
        key: max([*chat.encode(prompter(e).messages), *chat.encode_answer(written[key] or "")])
        for key, e in chosen.items()
    }
    return {key: number for key, number in highest.items() if number >= most}


def _sizes(model: str) -> tuple[int, int | None]:
    """A model's context in tokens, and how many token ids its embedding has."""
    from transformers import AutoConfig

    from harness.models.load import context_length
    from harness.models.source import resolve

    config = AutoConfig.from_pretrained(resolve(model), trust_remote_code=False)
    return context_length(config), getattr(config.get_text_config(), "vocab_size", None)
