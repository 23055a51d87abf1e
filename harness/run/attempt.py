"""What the steps of one cell share, and the one way from an example to what is learnt and asked."""

from __future__ import annotations

import dataclasses

from harness.core.protocols import Prompter
from harness.core.values import Example, Lesson, Prompt, Request
from harness.run.cells import Cell
from harness.run.folder import RunFolder
from harness.run.progress import Progress
from harness.run.workbench import Workbench


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """What the steps of one cell share."""

    cell: Cell
    folder: RunFolder
    workbench: Workbench
    progress: Progress
    pool: tuple[Example, ...]
    prompter: Prompter


def lesson(attempt: Attempt, example: Example) -> Lesson:
    """What is learnt from an example: the prompt its program asks with, and its target."""
    answer = attempt.cell.task.format.render(example.target)
    return Lesson(id=example.id, messages=attempt.prompter(example).messages, answer=answer)


def request(cell: Cell, example: Example, prompt: Prompt) -> Request:
    constraint = cell.task.format.constraint() if cell.recipe.program.constrain else None
    return Request(
        id=example.id,
        messages=prompt.messages,
        max_new_tokens=cell.task.max_new_tokens,
        constraint=constraint,
        seed=cell.seed,
    )
