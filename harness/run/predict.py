"""The peak memory that a cell should take, worked out before it is trained and asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from harness.core.protocols import LanguageModel
from harness.core.values import Lesson
from harness.run.attempt import Attempt

MOST_ROWS = {"cpu": 128, "cuda": 256}
"""Rows that the engine answers at once at most (`harness.engines.hf`)."""

log = logging.getLogger(__name__)


def peak(attempt: Attempt, model: LanguageModel, lessons: Sequence[Lesson]) -> int | None:
    """Bytes on the device, or of the whole process on the CPU; None where it cannot be told.

    From the configuration, the recipe and the lengths of the prompts, not from what is measured.
    """
    try:
        return round(_peak(attempt, model, lessons))
    except Exception as error:  # whatever an unknown architecture does, a run goes on without an estimate
        log.info("no estimate of memory: %s: %s", type(error).__name__, error)
        return None


def _peak(attempt: Attempt, model: LanguageModel, lessons: Sequence[Lesson]) -> float:
    from harness.decide import estimate, memory
    from harness.models.shape import shape

    cell, device = attempt.cell, model.network.device.type
    recipe, sizes, dtype = cell.recipe, shape(cell.model), str(model.network.dtype).removeprefix("torch.")
    if model.network.config.get_text_config().num_hidden_layers != sizes.layers:
        raise ValueError("the base has been made deeper than the model that the estimate knows")
    examples = cell.task.splits[cell.split][: cell.limit]
    asked = [model.chat.encode(attempt.prompter(example).messages) for example in examples]
    own = max(map(len, asked)) - _shared(asked) + cell.task.max_new_tokens
    rows = min(len(asked), MOST_ROWS.get(device, MOST_ROWS["cpu"]))
    idle = memory.Work(tokens=0, learnt=0, rows=rows, length=own)
    found = [memory.inference(sizes, recipe.base, dtype, idle).total]
    learnt = [(model.chat.encode(x.messages), model.chat.encode_answer(x.answer)) for x in lessons]
    for stage, moved, added in estimate.counted(cell.model, recipe) if lessons else ():
        longest = getattr(stage, "max_length", model.context)
        fitting = [pair for pair in learnt if len(pair[0]) + len(pair[1]) <= longest] or learnt
        count = min(len(fitting), getattr(stage, "per_device_train_batch_size", 1))
        batch = sorted(fitting, key=lambda pair: -len(pair[0]) - len(pair[1]))[:count]
        shared = _shared([prompt for prompt, _ in batch]) if count > 1 else 0
        length = max(len(prompt) + len(answer) for prompt, answer in batch)
        tokens = shared + count * (length - shared)
        work = memory.Work(tokens=tokens, learnt=sum(len(a) for _, a in batch), rows=0, length=0)
        found.append(memory.training(sizes, recipe.base, dtype, work, stage, moved, added).total)
    return max(found) + (0 if device == "cuda" else memory.PROCESS)


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with."""
    if len(prompts) < 2:
        return 0
    lists = [list(prompt) for prompt in prompts]
    first, last = min(lists), max(lists)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
