"""Retrieval-augmented generation: passages of the corpus stand before the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.core.kinds import build, knob
from harness.core.protocols import Program, Prompter, Task
from harness.core.values import Example, Message, Passage, Prompt
from harness.programs._render import question, system


@dataclass(frozen=True, kw_only=True)
class Rag(Program):
    """Shows the `k` best passages. `retriever` is a kind of `harness/retrieval`, by name or mapping."""

    paper = "Lewis et al. 2020, Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks"

    retriever: str | Mapping[str, Any] = field(default="bm25")
    k: int = knob(3, choices=(1, 2, 3, 5, 8), doc="passages shown")

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "retriever": build("retrieval", self.retriever).identity()}

    def config(self) -> dict[str, Any]:
        return {**super().config(), "retriever": build("retrieval", self.retriever).config()}

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        index = build("retrieval", self.retriever).index(task.corpus)

        def prompt(example: Example) -> Prompt:
            asked = question(task, example)
            passages = index.search(asked, example, self.k)
            content = "\n\n".join([*map(_show, passages), asked])
            return Prompt(messages=(*system(task, example), Message("user", content)), passages=passages)

        return prompt


def _show(passage: Passage) -> str:
    return f"{passage.title}: {passage.text}" if passage.title else passage.text
