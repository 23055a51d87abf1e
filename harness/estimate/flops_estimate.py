"""How long a trial or a run takes if nothing similar was run before: its operations at this machine's measured speed.

A token costs two operations per parameter in the forward pass, as many in the backward pass, and as many
again for the parameters that are trained (Kaplan et al. 2020, arXiv:2001.08361, section 2.1). The speed is
that of a matrix product of the model's width, timed here and now. Rough: attention over long prompts, data
that is generated, and answers longer than their targets are left out.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.core import notices
from harness.core.protocols import Chat, Prompter, Task
from harness.core.recipes import Recipe
from harness.core.values import Example
from harness.tasks.prompt_size import PromptSize, measured

SHARE = 0.5
"""Share of the speed of bare matrix products that a network achieves."""
DOCUMENTS = 200
"""Documents that are indexed to see how long prompts with passages are."""
MOST_ROWS = 256.0
"""Number of rows above which a matrix product is not expected to be faster per row."""
LEAST_SECONDS = 0.01
"""The least time over which a speed is measured."""
WINDOWS = 8
"""How often it is measured; the fastest counts, because other programs can only slow a window down."""

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
    return seconds_per_run(recipe, spec, task, labels=labels, asked=task.splits["dev"][:limit], seed=seed)


def seconds_per_run(
    recipe: Recipe, spec: str, task: Task, *, labels: int | None, asked: Sequence[Example], seed: int
) -> float | None:
    """Seconds to train a recipe and to answer `asked`; None as for `seconds_per_trial`."""
    try:
        with notices.captured(Path(os.devnull)):  # what the libraries say, they say again when they are used
            return _seconds(recipe, spec, task, labels, asked, seed)
    except Exception as error:  # whatever fails in a model or a program, a run starts without an estimate
        log.info("no rough estimate: %s: %s", type(error).__name__, error)
        return None


def _seconds(
    recipe: Recipe, spec: str, task: Task, labels: int | None, asked: Sequence[Example], seed: int
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
    prompter = _prompter(recipe, task, train, seed)
    forward, speed = 2.0 * sizes.parameters, machine_speed(sizes.hidden)
    lengths = _lengths(spec, task, prompter, asked)
    seconds = _answers(forward, lengths, len(asked), speed)
    for stage, moved, _ in counted(spec, recipe):
        epochs = stage.num_train_epochs
        if epochs is None:
            return None
        learned = _lengths(spec, task, prompter, train)
        rows = stage.per_device_train_batch_size
        tokens = learned.shared + rows * (learned.own + learned.answer)
        batches = math.ceil(len(train) * epochs / rows)
        seconds += batches * tokens * (2 * forward + 2.0 * moved) / speed(tokens)
        looks = math.ceil(stage.eval_per_epoch * epochs)
        seconds += looks * _answers(forward, lengths, min(stage.dev_examples, len(dev)), speed)
    return seconds


def _prompter(recipe: Recipe, task: Task, train: Sequence[Example], seed: int) -> Prompter:
    """Prompts as long as the recipe's: the program's default retriever over a part of the corpus stands for
    every retriever, because another may have to load a model and read the whole corpus."""
    program = recipe.program
    if program.retriever is not None:
        plain = next(field.default for field in fields(program) if field.name == "retriever")
        program, task = program.replace(retriever=plain), replace(task, corpus=task.corpus[:DOCUMENTS])
    return program.prepare(task, train, seed)


def _answers(forward: float, of: PromptSize, count: int, speed: _Speed) -> float:
    """Seconds to read the prompts (what they share only once) and to write all answers in parallel, token by
    token."""
    if not count:
        return 0.0
    read = of.shared + count * of.own
    return forward * (read / speed(read) + count * of.answer / speed(count))


def _lengths(spec: str, task: Task, prompter: Prompter, examples: Sequence[Example]) -> PromptSize:
    if not examples:
        return PromptSize(shared=0.0, own=0.0, answer=0.0)
    chat = _chat(spec)
    return measured(task, prompter, examples, chat.encode, chat.encode_answer)


@cache
def _chat(spec: str) -> Chat:
    from harness.models.chat import load_chat

    return load_chat(spec)


@cache
def machine_speed(width: int) -> _Speed:
    """The speed of this machine for models of one width, measured once."""
    return _Speed(width)


class _Speed:
    """Operations per second of this machine, for this many rows of a model's width."""

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

        def timed(count: int) -> float:
            wait()
            clock = time.perf_counter()
            for _ in range(count):
                left @ right
            wait()
            return time.perf_counter() - clock

        count = 1
        timed(count)  # the first one is slower
        while (taken := timed(count)) < LEAST_SECONDS:
            count *= 2
        fastest = min(taken, *(timed(count) for _ in range(WINDOWS - 1)))
        return 2.0 * rows * self.width**2 * count / fastest
