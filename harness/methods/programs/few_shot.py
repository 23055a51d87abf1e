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
from harness.tasks.same_text import as_asked

Choose = Callable[[Example], Sequence[Example]]


@dataclass(frozen=True, kw_only=True)
class FewShot(Program):
    """Shows `k` train examples. `nearest` picks them per question by BM25, the closest last.

    An example is never a shot for its own question, nor for one that asks the same (case, spacing and Unicode
    form aside): it would give the answer away.
    """

    paper = "Brown et al. 2020, Language Models are Few-Shot Learners; nearest: Liu et al. 2022, KATE"
    shows_examples = True
    version = 2

    k: int = knob(
        8, choices=(1, 2, 4, 8, 16), doc="examples shown; 10 to 100 in GPT-3, 8 in chain of thought"
    )
    choose: Literal["first", "random", "nearest"] = knob(
        "random", choices=("random", "nearest"), doc="nearest: Liu et al. 2022 (KATE)"
    )

    def identity(self) -> dict[str, object]:
        """`nearest` ranks as `bm25` does, and changes with it."""
        ranking = {"version": 2} if self.choose == "nearest" else {}
        return {**super().identity(), **ranking}

    @property
    def seeded(self) -> bool:
        """`nearest` depends on the pool alone; `first` on its order, which a seed decides."""
        return self.choose != "nearest"

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        choice = getattr(self, f"_{self.choose}")(_Copies(task), pool, seed)

        by_id = {shot.id: shot for shot in pool}

        @cache
        def turns(name: str) -> tuple[Message, ...]:
            shot = by_id[name]
            query = Message("user", question(task, shot))
            return (*shot.turns, query, Message("assistant", self._answer(task, shot)))

        def prompt(example: Example, *, dropped: int = 0) -> Prompt:
            shots = self._without(choice(example), dropped)
            shown = [turn for shot in shots for turn in turns(shot.id)]
            asked = Message("user", question(task, example))
            messages = offering((*system(task, example), *shown, *example.turns, asked), example.tools)
            ids = tuple(shot.id for shot in shots)
            return Prompt(messages=messages, shots=ids, shots_dropped=dropped)

        return prompt

    def _answer(self, task: Task, shot: Example) -> str:
        """The end of a shot's conversation."""
        return task.format.render(shot.target)

    def _without(self, shots: Sequence[Example], dropped: int) -> Sequence[Example]:
        """The shots without the least useful ones: with `nearest`, the farthest, which comes first; else the
        last, so that prompts keep a common beginning."""
        return shots[dropped:] if self.choose == "nearest" else shots[: len(shots) - dropped]

    def _first(self, copies: _Copies, pool: Sequence[Example], seed: int) -> Choose:
        return lambda example: copies.without(pool, example, self.k)

    def _random(self, copies: _Copies, pool: Sequence[Example], seed: int) -> Choose:
        """One draw for all questions, so that their prompts share it and it is computed once."""
        drawn = random.Random(seed).sample(pool, len(pool))
        return lambda example: copies.without(drawn, example, self.k)

    def _nearest(self, copies: _Copies, pool: Sequence[Example], seed: int) -> Choose:
        from harness.methods.retrieval.bm25 import Bm25

        ordered = {shot.id: shot for shot in sorted(pool, key=lambda shot: shot.id)}
        documents = [Document(id=shot.id, text=question(copies.task, shot)) for shot in ordered.values()]
        longest = max((len(document.text) for document in documents), default=0)
        index = Bm25(chunk_size=longest + 1, overlap=0).index(documents)
        counts = Counter(copies.of(shot) for shot in pool)

        def choose(example: Example) -> Sequence[Example]:
            most = self.k + 1 + counts[copies.of(example)]
            hits = [hit.document for hit in index.search(question(copies.task, example), example, most)]
            # Shots that share no word with the question come last, in the order of their ids.
            ranked = dict.fromkeys([*hits, *islice(ordered, most + len(hits))])
            near = copies.without((ordered[name] for name in ranked), example, self.k)
            return near[::-1]

        return choose


class _Copies:
    """Which train examples ask the same as an example; what each asks is computed once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._known: dict[int, tuple[Example, str]] = {}

    def of(self, example: Example) -> str:
        """What an example asks; examples that ask the same are copies."""
        known = self._known.get(id(example))
        if known is None or known[0] is not example:
            known = self._known[id(example)] = example, as_asked(example, question(self.task, example))
        return known[1]

    def without(self, pool: Iterable[Example], example: Example, k: int) -> list[Example]:
        """The first `k` of the pool, without the example itself and its copies."""
        asked = self.of(example)
        others = (shot for shot in pool if shot.id != example.id and self.of(shot) != asked)
        return list(islice(others, k))
