"""How long a trial takes if nothing similar was run before: its operations at this machine's measured speed.

A token costs two operations for each parameter on the way forward, as many on the way back, and as many again for
the parameters that move (Kaplan et al. 2020, arXiv:2001.08361, section 2.1). The speed is that of a matrix product
of the model's width, timed here and now. Rough: attention over long prompts, data that is generated, and answers
longer than their targets are left out.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.protocols import Prompter, Task
from harness.core.recipes import Recipe
from harness.core.sequences import common_prefix_length
from harness.core.values import Example

CHARACTERS = 4.0
"""Characters per token in English text, for a vocabulary of common size."""
SHARE = 0.5
"""Share of the speed of bare matrix products that a network reaches."""
SAMPLE = 32
"""Examples whose lengths are looked at."""
MOST_ROWS = 256.0
"""Rows above which a matrix product is not expected to be faster for each of them."""
LEAST_SECONDS = 0.05
"""That a speed is taken over."""

log = logging.getLogger(__name__)


def seconds_per_trial(
    recipe: Recipe, spec: str, task: Task, *, labels: int | None, limit: int | None, seed: int
) -> float | None:
    """Seconds to train a recipe and score it on dev; None if the model is behind an API, or if it is not
    trained on its training examples' answers.

    Args:
        recipe: the recipe with a trial's default settings.
        spec: the model.
        task: its train and dev splits are read.
        labels: training examples; None: all.
        limit: dev examples that are answered; None: all.
        seed: decides which examples a prompt shows.
    """
    try:
        return _seconds(recipe, spec, task, labels, limit, seed)
    except Exception as error:  # whatever a model or a program does not allow, a search begins without
        log.info("no rough estimate: %s: %s", type(error).__name__, error)
        return None


@dataclass(frozen=True, kw_only=True)
class _Lengths:
    """Mean tokens of an example: the prefix shared by all prompts, its own, and its answer."""

    shared: float
    own: float
    answer: float


def _seconds(
    recipe: Recipe, spec: str, task: Task, labels: int | None, limit: int | None, seed: int
) -> float | None:
    from harness.estimate.requirements import counted
    from harness.models.dimensions import shape
    from harness.training.supervised import Supervised

    sizes = shape(spec)
    plain = all(isinstance(s, Supervised) and type(s).train is Supervised.train for s in recipe.weights)
    if not plain or any(
        type(s).rows is not Supervised.rows for s in recipe.weights if isinstance(s, Supervised)
    ):
        return None
    train, dev = task.splits.get("train", ())[:labels], task.splits["dev"]
    prompter = recipe.program.prepare(task, train, seed)
    lengths = _lengths(task, prompter, dev)
    answered = min(len(dev), limit or len(dev))
    forward = 2.0 * sizes.parameters
    speed = _Speed(sizes.hidden)
    seconds = _answers(forward, lengths, answered, speed)
    for stage, moved, _ in counted(spec, recipe):
        epochs = stage.num_train_epochs
        if epochs is None:
            return None
        learned = _lengths(task, prompter, train)
        rows = stage.per_device_train_batch_size
        tokens = learned.shared + rows * (learned.own + learned.answer)
        batches = math.ceil(len(train) * epochs / rows)
        seconds += batches * tokens * (2 * forward + 2.0 * moved) / speed(tokens)
        looks = math.ceil(stage.eval_per_epoch * epochs)
        seconds += looks * _answers(forward, lengths, min(stage.dev_examples, len(dev)), speed)
    return seconds


def _answers(forward: float, of: _Lengths, count: int, speed: _Speed) -> float:
    """Read the prompts, what they share once, and write the answers token by token, all at once."""
    if not count:
        return 0.0
    read = of.shared + count * of.own
    return forward * (read / speed(read) + count * of.answer / speed(count))


def _lengths(task: Task, prompter: Prompter, examples: Sequence[Example]) -> _Lengths:
    sample = examples[:SAMPLE]
    prompts = ["\n".join(message.content for message in prompter(x).messages) for x in sample]
    # What the first and the last in sorted order share, all of them share.
    shared = common_prefix_length(min(prompts), max(prompts)) if len(prompts) > 1 else 0
    answers = [len(task.format.render(example.target)) for example in sample]
    mean = sum(map(len, prompts)) / len(prompts)
    return _Lengths(
        shared=shared / CHARACTERS,
        own=(mean - shared) / CHARACTERS,
        answer=sum(answers) / len(answers) / CHARACTERS,
    )


class _Speed:
    """Operations a second of this machine, for so many rows of a model's width."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._known: dict[int, float] = {}

    def __call__(self, rows: float) -> float:
        size = 2 ** round(math.log2(min(max(rows, 1.0), MOST_ROWS)))
        if size not in self._known:
            self._known[size] = SHARE * self._timed(size)
        return self._known[size]

    def _timed(self, rows: int) -> float:
        import torch

        from harness.models.load import choose_dtype

        device = "cuda" if torch.cuda.is_available() else "cpu"
        made: dict[str, Any] = {"device": device, "dtype": choose_dtype("auto", device)}
        left, right = torch.ones(rows, self.width, **made), torch.ones(self.width, self.width, **made)
        wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None
        count, taken = 1, 0.0
        left @ right  # the first is slower
        while taken < LEAST_SECONDS:
            count *= 2
            wait()
            clock = time.perf_counter()
            for _ in range(count):
                left @ right
            wait()
            taken = time.perf_counter() - clock
        return 2.0 * rows * self.width**2 * count / taken
