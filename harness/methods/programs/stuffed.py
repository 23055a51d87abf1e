"""The whole corpus in every prompt: no retriever can miss, and the passages are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError
from harness.core.protocols import Program, Prompter, Task
from harness.core.tools import offering
from harness.core.values import Example, Message, Passage, Prompt
from harness.methods.programs._render import question, system


@dataclass(frozen=True, kw_only=True)
class Stuffed(Program):
    """Instructions, then every document of the corpus in its order, then the question.

    All questions share what stands before theirs, which is computed once. Documents that the model's context has no room
    for are dropped from the end and counted. `max_chars` bounds the corpus in characters: a larger one is for retrieval.
    """

    retrieves = True
    paper = "Lee et al. 2024, Can Long-Context Language Models Subsume Retrieval, RAG, SQL, and More?"

    max_chars: int = 400_000

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        if not task.corpus:
            raise ConfigError(f"task '{task.name}' has no corpus to show", remedy="set 'corpus:'")
        size = sum(len(document.text) for document in task.corpus)
        if size > self.max_chars:
            raise ConfigError(
                f"the corpus has {size:,} characters, at most {self.max_chars:,} are shown whole",
                remedy="retrieve instead (bm25_rag), or raise program.max_chars",
            )
        passages = tuple(
            Passage(document=document.id, title=document.title, text=document.text, score=1.0)
            for document in task.corpus
        )
        shown = [
            f"{passage.title}: {passage.text}" if passage.title else passage.text for passage in passages
        ]

        def prompt(example: Example, *, dropped: int = 0) -> Prompt:
            count = len(passages) - dropped
            content = "\n\n".join([*shown[:count], question(task, example)])
            asking = (*system(task, example), *example.turns, Message("user", content))
            return Prompt(
                messages=offering(asking, example.tools),
                passages=passages[:count],
                searched=True,
                passages_dropped=dropped,
            )

        return prompt
