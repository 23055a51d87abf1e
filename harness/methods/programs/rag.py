"""Retrieval-augmented generation: passages of the corpus precede the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.core.characters import is_unspaced
from harness.core.errors import ConfigError
from harness.core.kinds import Spec, build, knob
from harness.core.protocols import Program, Prompter, Retriever, Task
from harness.core.tools import offering
from harness.core.values import Example, Message, Passage, Prompt
from harness.methods.programs._passage_order import SharedOrder
from harness.methods.programs._render import question, system


@dataclass(frozen=True, kw_only=True)
class Rag(Program):
    """Shows the `k` best passages. `retriever` is a kind of `harness/retrieval`, by name or mapping.

    `max_chars` bounds the passages' text in characters: the last that does not fit is cut at a
    word, and those after it are left out. `passages` says on which side of the question they stand: first,
    answers from the same passages share a prefix. `order: shared` puts them in one order for all questions,
    so that more prompts begin alike and cost less to compute.
    """

    retrieves = True
    paper = "Lewis et al. 2020, Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks"

    retriever: Spec = field(default="bm25")
    k: int = knob(3, choices=(1, 2, 3, 5, 8), doc="passages shown; 5 or 10 in the paper")
    max_chars: int | None = None
    passages: Literal["first", "last"] = knob(
        "first", key_default="first", doc="whether passages come before or after the question"
    )
    order: Literal["ranked", "shared"] = knob(
        "ranked", key_default="ranked", doc="best first, or in one order for all questions, which is faster"
    )

    def __post_init__(self) -> None:
        """Reject an unknown retriever when the recipe is read, not when it runs."""
        self._retriever()

    @property
    def oracle(self) -> bool:
        return self._retriever().oracle

    def config(self) -> dict[str, object]:
        return {**super().config(), "retriever": self._retriever().config()}

    def identity(self) -> dict[str, object]:
        return {**super().identity(), "retriever": self._retriever().identity()}

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        if not task.corpus:
            raise ConfigError(f"task '{task.name}' has no corpus to retrieve from", remedy="set 'corpus:'")
        index = self._retriever().index(task.corpus)
        order = SharedOrder(task, pool, self.k).sort if self.order == "shared" else tuple

        def prompt(example: Example, *, dropped: int = 0) -> Prompt:
            asked = question(task, example)
            passages = _fit(index.search(asked, example, self.k), self.max_chars)
            kept = passages[: len(passages) - dropped]
            shown = [_show(passage) for passage in order(kept)]
            content = "\n\n".join([*shown, asked] if self.passages == "first" else [asked, *shown])
            asking = (*system(task, example), *example.turns, Message("user", content))
            messages = offering(asking, example.tools)
            return Prompt(messages=messages, passages=kept, searched=True, passages_dropped=dropped)

        return prompt

    def _retriever(self) -> Retriever:
        retriever: Retriever = build("retrieval", self.retriever)
        return retriever


def _fit(passages: Sequence[Passage], room: int | None) -> tuple[Passage, ...]:
    if room is None:
        return tuple(passages)
    kept: list[Passage] = []
    for passage in passages:
        size = len(_show(passage))
        if size > room:
            text = _cut(passage.text, max(0, room - (size - len(passage.text))))
            return (*kept, replace(passage, text=text)) if text else tuple(kept)
        kept.append(passage)
        room -= size
    return tuple(kept)


def _cut(text: str, length: int) -> str:
    """The beginning of a text up to the end of a word; in scripts without spaces any letter ends one."""
    beginning = text[:length]
    if beginning and is_unspaced(beginning[-1]):
        return beginning
    return beginning.rpartition(" ")[0].rstrip()


def _show(passage: Passage) -> str:
    return f"{passage.title}: {passage.text}" if passage.title else passage.text
