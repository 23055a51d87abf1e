"""The plain prompt: instructions and the example, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.protocols import Program, Prompter, Task
from harness.core.tools import offering
from harness.core.values import Example, Message, Prompt
from harness.methods.programs._render import question, system


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Program):
    """Prompt without examples: the baseline that every other recipe has to beat."""

    paper = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners"

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        def prompt(example: Example, *, dropped: int = 0) -> Prompt:  # noqa: ARG001 nothing can be dropped
            asked = Message("user", question(task, example))
            return Prompt(messages=offering((*system(task, example), *example.turns, asked), example.tools))

        return prompt
