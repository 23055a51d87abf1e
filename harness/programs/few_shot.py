"""In-context learning: train examples shown as earlier turns of the conversation."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.kinds import knob
from harness.core.protocols import Program, Prompter, Task
from harness.core.values import Document, Example, Message, Prompt
from harness.programs._render import question, system

Choose = Callable[[Example], Sequence[Example]]


@dataclass(frozen=True, kw_only=True)
class FewShot(Program):
    """Shows `k` train examples. `nearest` picks them per question by BM25, the closest last."""

    paper = "Brown et al. 2020, Language Models are Few-Shot Learners; nearest: Liu et al. 2022, KATE"
    shows_examples = True

    k: int = knob(8, choices=(1, 2, 4, 8, 16), doc="examples shown")
    choose: Literal["first", "random", "nearest"] = knob("random", choices=("random", "nearest"))

    @property
    def seeded(self) -> bool:
        return self.choose != "nearest"

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        choice = getattr(self, f"_{self.choose}")(task, tuple(pool), seed)

        def prompt(example: Example) -> Prompt:
            shots = choice(example)
            turns = tuple(turn for shot in shots for turn in _turns(task, shot))
            asked = Message("user", question(task, example))
            messages = (*system(task, example), *turns, asked)
            return Prompt(messages=messages, shots=tuple(shot.id for shot in shots))

        return prompt

    def _first(self, task: Task, pool: Sequence[Example], seed: int) -> Choose:
        return lambda example: _others(pool[: self.k + 1], example)[: self.k]

    def _random(self, task: Task, pool: Sequence[Example], seed: int) -> Choose:
        """One draw for all questions, so that their prompts share it; one spare for leaving out."""
        drawn = random.Random(seed).sample(pool, min(self.k + 1, len(pool)))
        return lambda example: _others(drawn, example)[: self.k]

    def _nearest(self, task: Task, pool: Sequence[Example], seed: int) -> Choose:
        from harness.retrieval.bm25 import Bm25

        by_id = {shot.id: shot for shot in pool}
        documents = [Document(id=shot.id, text=question(task, shot)) for shot in pool]
        index = Bm25(chunk_size=100_000, overlap=0).index(documents)

        def choose(example: Example) -> Sequence[Example]:
            found = index.search(question(task, example), example, self.k + 1)
            nearest = _others([by_id[passage.document] for passage in found], example)[: self.k]
            return nearest[::-1]

        return choose


def _others(pool: Sequence[Example], example: Example) -> list[Example]:
    """The pool without the example itself: it is never shown its own answer."""
    return [shot for shot in pool if shot.id != example.id]


def _turns(task: Task, shot: Example) -> tuple[Message, Message]:
    return Message("user", question(task, shot)), Message("assistant", task.format.render(shot.target))
