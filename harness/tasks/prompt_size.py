"""How large the prompts of a task are: their shared beginning, each one's own part, and the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core.protocols import Prompter, Task
from harness.core.sequences import common_prefix_length
from harness.core.values import Example, Message

SAMPLE = 32
"""Number of examples whose lengths are measured."""
BYTES_PER_TOKEN = 4
"""In texts of most languages and tokenizers, counted in UTF-8."""
LONGEST = 2_048
"""Tokens of a training example above which it is dropped by default."""


@dataclass(frozen=True, kw_only=True)
class PromptSize:
    """Mean tokens of an example. `shared` is what all prompts begin with, which is computed once."""

    shared: float
    own: float
    answer: float

    @property
    def whole(self) -> float:
        """Tokens of a prompt and its answer."""
        return self.shared + self.own + self.answer


def measured(
    task: Task,
    prompter: Prompter,
    examples: Sequence[Example],
    prompt: Callable[[tuple[Message, ...]], Sequence[int]],
    answer: Callable[[str], Sequence[int]],
    per_token: float = 1.0,
) -> PromptSize:
    """The mean size of a few of `examples`, which must not be empty, evenly spaced.

    Args:
        prompt: the units of a prompt: token ids, or bytes.
        answer: the units of an answer.
        per_token: how many units make a token.
    """
    sample = examples[:: max(1, len(examples) // SAMPLE)][:SAMPLE]
    prompts = [tuple(prompt(prompter(example).messages)) for example in sample]
    # All of them share what the first and the last in sorted order share.
    ordered = sorted(map(tuple, prompts))
    shared = common_prefix_length(ordered[0], ordered[-1]) if len(prompts) > 1 else 0
    answers = [len(answer(task.format.render(example.target))) for example in sample]
    mean = sum(map(len, prompts)) / len(prompts)
    return PromptSize(
        shared=shared / per_token,
        own=(mean - shared) / per_token,
        answer=sum(answers) / len(answers) / per_token,
    )


def by_bytes(task: Task, prompter: Prompter, examples: Sequence[Example]) -> PromptSize:
    """`measured` before any model is named: tokens are estimated from bytes of UTF-8.

    No prompt counts for more than `LONGEST`, so that one huge row does not make all of them long.
    """

    def prompt(messages: tuple[Message, ...]) -> bytes:
        return _bytes("\n".join(message.content for message in messages))[: LONGEST * BYTES_PER_TOKEN]

    return measured(task, prompter, examples, prompt, _bytes, BYTES_PER_TOKEN)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
