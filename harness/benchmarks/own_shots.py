"""A question is never among the examples that are shown with it.

If a task names no split for its shots and has no train split, lm-eval draws them from the documents that it
asks, including the one being asked. Shots are drawn as lm-eval draws them; only if one is the question
itself, another replaces it, drawn from a separate random generator, so that all other shots stay lm-eval's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Doc = Mapping[str, object]


class Sampler(Protocol):
    """The part of `lm_eval.api.samplers.ContextSampler` that is used."""

    sample: Callable[..., Sequence[Doc]]

    def fewshot_docs(self) -> Sequence[Doc]: ...


class Splits(Protocol):
    """The part of lm-eval's `TaskConfig` that is used."""

    test_split: str | None
    validation_split: str | None


class FewShotTask(Protocol):
    """The part of lm-eval's `ConfigurableTask` that is used."""

    config: Splits
    sampler: Sampler
    fewshot_context: Callable[..., object]

    def has_training_docs(self) -> bool: ...
    def has_validation_docs(self) -> bool: ...
    def has_test_docs(self) -> bool: ...


def from_the_asked(task: FewShotTask) -> bool:
    """Whether the shots of a task are drawn from the documents that it asks."""
    settings = getattr(task, "fewshot_cfg", None)
    if getattr(settings, "samples", None) is not None:
        return False
    asked = task.config.test_split or task.config.validation_split
    named = getattr(settings, "split", None)
    if named is not None:
        return bool(named == asked)
    return not task.has_training_docs() and not (task.has_validation_docs() and task.has_test_docs())


@dataclass
class OwnShots:
    """Counts the documents that would have been shown with their own answer."""

    seed: int
    left_out: int = 0
    asked: int = 0
    _doc: Doc | None = field(default=None, repr=False)

    def watch(self, task: FewShotTask) -> None:
        """Leave the question out of the shots of `task` from here on; a task that draws them from elsewhere
        is not changed."""
        sampler: Sampler | None = getattr(task, "sampler", None)
        if sampler is None or not from_the_asked(task):
            return
        build, draw = task.fewshot_context, sampler.sample
        replacement = random.Random(self.seed)

        def fewshot_context(doc: Doc, *args: object, **kwargs: object) -> object:
            self._doc = doc
            return build(doc, *args, **kwargs)

        def sample(n: int, *args: object, **kwargs: object) -> Sequence[Doc]:
            return self._without_question(list(draw(n, *args, **kwargs)), sampler, replacement)

        task.fewshot_context, sampler.sample = fewshot_context, sample

    def _without_question(self, shots: list[Doc], sampler: Sampler, replacement: random.Random) -> list[Doc]:
        self.asked += 1
        own = [index for index, shot in enumerate(shots) if shot == self._doc]
        if not own:
            return shots
        self.left_out += 1
        others = [doc for doc in sampler.fewshot_docs() if doc != self._doc and doc not in shots]
        chosen = iter(replacement.sample(others, min(len(own), len(others))))
        return [
            shot
            for index, given in enumerate(shots)
            if (shot := next(chosen, None) if index in own else given)
        ]

    def sentence(self, name: str) -> str:
        """A sentence about it; empty if nothing was left out."""
        if not self.left_out:
            return ""
        return (
            f"{name}: {self.left_out} of {self.asked} questions were drawn among their own shots, which lm-eval shows with "
            "their answers; other documents are shown instead"
        )
