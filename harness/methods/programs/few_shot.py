"""In-context learning: train examples shown as earlier turns of the conversation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Literal

from harness.core.kinds import knob
from harness.core.protocols import Program, Prompter, Task
from harness.core.tools import offering
from harness.core.values import Document, Example, Message, Prompt
from harness.methods.programs._render import question, system

Choose = Callable[[Example], Sequence[Example]]


@dataclass(frozen=True, kw_only=True)
class FewShot(Program):
    """Shows `k` train examples. `nearest` picks them per question by BM25, the closest last.

    An example is never a shot for its own question, nor for one with the same input: in training it would
    give the answer away.
    """

    paper = "Brown et al. 2020, Language Models are Few-Shot Learners; nearest: Liu et al. 2022, KATE"
    shows_examples = True

    k: int = knob(
        8, choices=(1, 2, 4, 8, 16), doc="examples shown; 10 to 100 in GPT-3, 8 in chain of thought"
    )
    choose: Literal["first", "random", "nearest"] = knob(
        "random", choices=("random", "nearest"), doc="nearest: Liu et al. 2022 (KATE)"
    )

    @property
    def seeded(self) -> bool:
        """`nearest` depends on the pool alone; `first` on its order, which a seed decides."""
        return self.choose != "nearest"

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        choice = getattr(self, f"_{self.choose}")(task, pool, seed)

        by_id = {shot.id: shot for shot in pool}

        @cache
        def turns(name: str) -> tuple[Message, ...]:
            return _turns(task, by_id[name])

        def prompt(example: Example, *, dropped: int = 0) -> Prompt:
            shots = self._without(choice(example), dropped)
            told = [turn for shot in shots for turn in turns(shot.id)]
            asked = Message("user", question(task, example))
            messages = offering((*system(task, example), *told, *example.turns, asked), example.tools)
            ids = tuple(shot.id for shot in shots)
            return Prompt(messages=messages, shots=ids, shots_dropped=dropped)

        return prompt

    def _without(self, shots: Sequence[Example], dropped: int) -> Sequence[Example]:
        """The least useful shots dropped: of the nearest the farthest, which comes first; else the last,
        so that prompts keep a common beginning."""
        return shots[dropped:] if self.choose == "nearest" else shots[: len(shots) - dropped]

    def _first(self, task: Task, pool: Sequence[Example], seed: int) -> Choose:
        return lambda example: _others(pool, example, self.k)

    def _random(self, task: Task, pool: Sequence[Example], seed: int) -> Choose:
        """One draw for all questions, so that their prompts share it and it is computed once."""
        drawn = random.Random(seed).sample(pool, len(pool))
        return lambda example: _others(drawn, example, self.k)

    def _nearest(self, task: Task, pool: Sequence[Example], seed: int) -> Choose:
        from harness.methods.retrieval.bm25 import Bm25

        ordered = {shot.id: shot for shot in sorted(pool, key=lambda shot: shot.id)}
        documents = [Document(id=shot.id, text=question(task, shot)) for shot in ordered.values()]
        longest = max((len(document.text.split()) for document in documents), default=0)
        index = Bm25(chunk_size=longest + 1, overlap=0).index(documents)
        copies = Counter(document.text for document in documents)

        def choose(example: Example) -> Sequence[Example]:
            text = question(task, example)
            hits = index.search(text, example, self.k + 1 + copies[text])
            near = _others((ordered[passage.document] for passage in hits), example, self.k)
            return near[::-1]

        return choose


def _others(pool: Iterable[Example], example: Example, k: int) -> list[Example]:
    """The first `k` of the pool, without the example itself and its copies."""
    others = (shot for shot in pool if shot.id != example.id and shot.question != example.question)
    return list(islice(others, k))


def _turns(task: Task, shot: Example) -> tuple[Message, ...]:
    """The shot's whole conversation, its answer last."""
    query = Message("user", question(task, shot))
    return (*shot.turns, query, Message("assistant", task.format.render(shot.target)))
