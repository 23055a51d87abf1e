"""The peak memory that a cell should take, computed before it is trained and asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.core.protocols import LanguageModel, Weights
from harness.core.recipes import Recipe
from harness.core.sequences import common_prefix_length
from harness.core.values import Prompt, TrainingExample
from harness.estimate import memory
from harness.models.layers import narrow_lora
from harness.models.number_format import dtype_of

MOST_ROWS = {"cpu": 128, "cuda": 256}
"""The most rows that the engine answers at once (`harness.engines.hf.engine`)."""
FOLDED_SHARE = 0.5
"""The most of a GPU's free memory that the engine gives to copies with folded adapters."""

log = logging.getLogger(__name__)


def peak(
    recipe: Recipe,
    spec: str,
    model: LanguageModel,
    lessons: Sequence[TrainingExample],
    prompts: Iterable[Prompt],
    max_new_tokens: int,
) -> int | None:
    """Bytes on the device, or of the whole process on the CPU; None if it cannot be estimated.

    From the configuration, the recipe and the lengths of the prompts, not from what is measured.

    Args:
        recipe: what is trained and how it is asked.
        spec: the model as the user named it.
        model: the base as it was loaded, before training.
        lessons: what is learned; empty if nothing is trained.
        prompts: those that are answered, produced lazily.
        max_new_tokens: longest answer.
    """
    try:
        return round(_peak(recipe, spec, model, lessons, prompts, max_new_tokens))
    except Exception as error:  # whatever an unknown architecture does, a run continues without an estimate
        log.info("no estimate of memory: %s: %s", type(error).__name__, error)
        return None


def _peak(
    recipe: Recipe,
    spec: str,
    model: LanguageModel,
    lessons: Sequence[TrainingExample],
    prompts: Iterable[Prompt],
    max_new_tokens: int,
) -> float:
    from harness.estimate import requirements
    from harness.models.dimensions import shape
    from harness.training.summed_loss import positions_at_once

    device, sizes = model.network.device.type, shape(spec)
    dtype = str(dtype_of(model.network)).removeprefix("torch.")
    if model.network.config.get_text_config().num_hidden_layers != sizes.layers:
        raise ValueError("the base has been made deeper than the model that the estimate knows")
    asked = [model.chat.encode(prompt.messages) for prompt in prompts]
    # What the first and the last in sorted order share is shared by all.
    shared = common_prefix_length(min(asked), max(asked)) if len(asked) > 1 else 0
    own = max(map(len, asked)) - shared + max_new_tokens
    rows = min(len(asked), MOST_ROWS.get(device, MOST_ROWS["cpu"]))
    idle = memory.Work(tokens=0, loss_tokens=0, rows=rows, length=own)
    copies = _folded(recipe, model, memory.BYTES[dtype] * sizes.linear)
    peaks = [memory.inference(sizes, recipe.base, dtype, idle).total + copies]
    for stage, moved, added in requirements.counted(spec, recipe) if lessons else ():
        work = largest_batch(lessons, model, stage)
        if _sums_loss(model):
            at_once = positions_at_once(sizes.vocabulary)
            work = replace(work, at_once=at_once)
            if moved == added:
                work = replace(work, loss_tokens=min(work.loss_tokens, at_once))
        peaks.append(memory.training(sizes, recipe.base, dtype, work, stage, moved, added).total)
    return max(peaks) + (0 if device == "cuda" else memory.PROCESS)


def _sums_loss(model: LanguageModel) -> bool:
    """Whether the loss is computed a few positions at a time: a frozen output layer keeps no logits (`harness.training.summed_loss`),
    and one that learns keeps them in the network's number format (`harness.training.logits_in_place`)."""
    from harness.training.encoder_decoder_loss import answer_loss
    from harness.training.loss import response_loss

    return model.network.device.type == "cpu" and answer_loss(model.network) is response_loss


def _folded(recipe: Recipe, model: LanguageModel, linear: float) -> float:
    """Bytes of the copies of the linear layers that adapters are folded into while a GPU answers
    (`harness.models.layers.folded`); they are made only where there is room."""
    if model.network.device.type != "cuda" or recipe.base.quantized:
        return 0.0
    import torch

    adapted = any(stage.adapter for stage in recipe.weights)
    return linear if adapted and linear <= FOLDED_SHARE * torch.cuda.mem_get_info()[0] else 0.0


def largest_batch(lessons: Sequence[TrainingExample], model: LanguageModel, stage: Weights) -> memory.Work:
    """The longest rows that fit, side by side as training arranges them (`harness.training.collator`)."""
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
        narrow=narrow_lora.pays(model.network),
        recomputed=model.network.device.type == "cpu",
    )
