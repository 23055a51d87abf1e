"""What the steps of one cell share, and the only way from an example to a prompt for training or answering."""

from __future__ import annotations

import dataclasses

from harness.core.protocols import LanguageModel, Prompter
from harness.core.values import Example, Prompt, Request, TrainingExample
from harness.methods.fitting import Room, fitted, room_of_model
from harness.results.folder import RunFolder
from harness.runner.cells import Cell
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellContext:
    """What the steps of one cell share."""

    cell: Cell
    folder: RunFolder
    workbench: ModelPool
    progress: Progress
    pool: tuple[Example, ...]
    prompter: Prompter
    """It makes the prompts for training and for answering, so both are cut the same way to fit `room`."""
    room: Room


def begin(
    cell: Cell,
    folder: RunFolder,
    workbench: ModelPool,
    progress: Progress,
    pool: tuple[Example, ...],
    room: Room,
) -> CellContext:
    """An attempt whose prompts fit the model's context as far as shots and passages can be dropped."""
    prompter = fitted(cell.recipe.program.prepare(cell.task, pool, cell.seed), room)
    return CellContext(
        cell=cell,
        folder=folder,
        workbench=workbench,
        progress=progress,
        pool=pool,
        prompter=prompter,
        room=room,
    )


def room_in(model: LanguageModel, cell: Cell) -> Room:
    """How long a cell's prompts may be; the same before training and after."""
    learnt = sum(stage.learnt_tokens for stage in cell.recipe.weights)
    return room_of_model(model, cell.task.max_new_tokens, learnt)


def lesson(attempt: CellContext, example: Example) -> TrainingExample:
    """A training lesson from an example: its program's prompt, and its target.

    `rejected` in its meta data is an answer that is worse than the target; preferences learn from it.
    """
    render, worse = attempt.cell.task.format.render, example.meta.get("rejected")
    return TrainingExample(
        id=example.id,
        messages=attempt.prompter(example).messages,
        answer=render(example.target),
        rejected=None if worse is None else worse if isinstance(worse, str) else render(worse),
    )


def request(cell: Cell, example: Example, prompt: Prompt) -> Request:
    constraint = cell.task.format.constraint() if cell.recipe.program.constrain else None
    return Request(
        id=example.id,
        messages=prompt.messages,
        max_new_tokens=cell.task.max_new_tokens,
        constraint=constraint,
        seed=cell.seed,
        thinking=cell.recipe.program.thinking,
    )
