"""The peak memory that a cell should take, worked out before it is trained and asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from harness.core.protocols import LanguageModel, Weights
from harness.core.values import TrainingExample
from harness.estimate import memory
from harness.models.number_format import dtype_of
from harness.runner.cell_context import CellContext

MOST_ROWS = {"cpu": 128, "cuda": 256}
"""Rows that the engine answers at once at most (`harness.engines.hf.engine`)."""

log = logging.getLogger(__name__)


def peak(attempt: CellContext, model: LanguageModel, lessons: Sequence[TrainingExample]) -> int | None:
    """Bytes on the device, or of the whole process on the CPU; None where it cannot be told.

    From the configuration, the recipe and the lengths of the prompts, not from what is measured.
    """
    try:
        return round(_peak(attempt, model, lessons))
    except Exception as error:  # whatever an unknown architecture does, a run goes on without an estimate
        log.info("no estimate of memory: %s: %s", type(error).__name__, error)
        return None


def _peak(attempt: CellContext, model: LanguageModel, lessons: Sequence[TrainingExample]) -> float:
    from harness.estimate import requirements
    from harness.models.dimensions import shape

    cell, device = attempt.cell, model.network.device.type
    recipe, sizes, dtype = cell.recipe, shape(cell.model), str(dtype_of(model.network)).removeprefix("torch.")
    if model.network.config.get_text_config().num_hidden_layers != sizes.layers:
        raise ValueError("the base has been made deeper than the model that the estimate knows")
    prompts = [attempt.prompter(example) for example in cell.examples]
    asked = [model.chat.encode(prompt.messages) for prompt in prompts if attempt.room.fits(prompt)]
    own = max(map(len, asked)) - _shared(asked) + cell.task.max_new_tokens
    rows = min(len(asked), MOST_ROWS.get(device, MOST_ROWS["cpu"]))
    idle = memory.Work(tokens=0, loss_tokens=0, rows=rows, length=own)
    found = [memory.inference(sizes, recipe.base, dtype, idle).total]
    for stage, moved, added in requirements.counted(cell.model, recipe) if lessons else ():
        work = largest_batch(lessons, model, stage)
        found.append(memory.training(sizes, recipe.base, dtype, work, stage, moved, added).total)
    return max(found) + (0 if device == "cuda" else memory.PROCESS)


def largest_batch(lessons: Sequence[TrainingExample], model: LanguageModel, stage: Weights) -> memory.Work:
    """The longest rows that fit, side by side as training lays them (`harness.training.collator`)."""
    from harness.training.batching import prefix_length
    from harness.training.tokenized import to_row

    rows = sorted(
        (to_row(lesson, model.chat, stage.prompt_loss_weight) for lesson in lessons), key=len, reverse=True
    )
    longest = model.context if stage.max_length is None else stage.max_length
    batch = ([row for row in rows if len(row) <= longest] or rows)[: stage.per_device_train_batch_size]
    shared = 0 if stage.neftune_noise_alpha else prefix_length(batch)
    return memory.Work(
        tokens=shared + len(batch) * (len(batch[0]) - 1 - shared),
        loss_tokens=sum(weight > 0 for row in batch for weight in row.weights[1:]),
        rows=0,
        length=0,
    )


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with."""
    if len(prompts) < 2:
        return 0
    lists = [list(prompt) for prompt in prompts]
    first, last = min(lists), max(lists)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
