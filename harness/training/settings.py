"""The knobs of training, with the field's names and the ranges a search may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from harness.core.kinds import Translate, knob

AXOLOTL = {
    "micro_batch_size": "per_device_train_batch_size",
    "sequence_len": "max_length",
    "num_epochs": "num_train_epochs",
    "lr_scheduler": "lr_scheduler_type",
    "evals_per_epoch": "eval_per_epoch",
    "gradient_checkpointing": "activation_checkpointing",
}
LLAMA_FACTORY = {"cutoff_len": "max_length"}
OPTIMIZERS = {
    **dict.fromkeys(("adamw_torch", "adamw_torch_fused", "adamw_hf"), "adamw"),
    **dict.fromkeys(("adamw_bnb_8bit", "adamw_8bit"), "adamw_8bit"),
    **dict.fromkeys(("paged_adamw_32bit", "paged_adamw"), "paged_adamw_32bit"),
}
"""Names of transformers, Axolotl and LLaMA-Factory for the same optimizers."""


def _optimizer(name: object) -> dict[str, object]:
    return {"optim": OPTIMIZERS.get(name, name) if isinstance(name, str) else name}


def _warmup(share: object) -> dict[str, object]:
    """A share of all steps, which `warmup_steps` holds if it is below 1.

    Raises:
        ValueError: 1 or more, which `warmup_steps` would take for a number of steps.
    """
    if isinstance(share, int | float) and not isinstance(share, bool) and not 0 <= share < 1:
        raise ValueError(
            f"a share of all steps, at least 0 and below 1 (got {share}); for a number: warmup_steps"
        )
    return {"warmup_steps": share}


def _packing(wanted: object) -> dict[str, object]:
    """Packing settings of other tools are refused: their batch size counts full sequences, ours counts rows.

    Raises:
        ValueError: packing is requested.
    """
    if wanted is False:
        return {"packing": False}
    raise ValueError(
        "fills sequences of sequence_len there, and micro_batch_size counts these; here 'packing' puts the "
        "per_device_train_batch_size rows of a batch end to end: give packing, and rows that fill a batch"
    )


FOREIGN: Mapping[str, Translate] = {
    "optim": _optimizer,
    "optimizer": _optimizer,
    "warmup_ratio": _warmup,
    "sample_packing": _packing,
}
Schedule = Literal[
    "linear", "cosine", "cosine_with_min_lr", "constant", "inverse_sqrt", "warmup_stable_decay"
]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings of every supervised kind of training; a kind overrides the defaults it needs."""

    aliases: ClassVar[Mapping[str, str]] = {**AXOLOTL, **LLAMA_FACTORY}
    foreign: ClassVar[Mapping[str, Translate]] = FOREIGN

    learning_rate: PositiveFloat = knob(
        2e-4, low=1e-6, high=1e-2, log=True, doc="peak learning rate; LoRA wants about ten times that of full"
    )
    num_train_epochs: PositiveFloat = knob(
        3.0,
        low=1.0,
        high=6.0,
        doc="passes over the data; three in InstructGPT and Alpaca, fewer for much data",
    )
    per_device_train_batch_size: PositiveInt = knob(
        8, doc="rows computed at once: decides memory, not the result"
    )
    gradient_accumulation_steps: PositiveInt = knob(
        1,
        choices=(1, 2, 4),
        doc="batches in one optimizer step; small steps suit LoRA (Schulman et al. 2025)",
    )
    max_length: PositiveInt = knob(2048, doc="longer training examples are dropped and reported, never cut")
    warmup_steps: NonNegativeFloat = knob(
        0.1, low=0.0, high=0.2, doc="below 1: share of all steps; else steps. 0.03 in QLoRA, 0.06 in LoRA"
    )
    lr_scheduler_type: Schedule = knob(
        "linear",
        choices=("linear", "cosine", "constant"),
        doc="linear in LoRA, cosine in Alpaca, constant in QLoRA; each is described in training/schedule.py",
    )
    weight_decay: NonNegativeFloat = knob(
        0.0,
        choices=(0.0, 0.01, 0.1),
        doc="on matrices only, not on norms and biases; 0.01 in BERT, 0.1 in GPT-3",
    )
    max_grad_norm: NonNegativeFloat = knob(
        1.0, choices=(0.3, 1.0), doc="0.3 in QLoRA, 1.0 elsewhere; 0: gradients are not cut"
    )
    optim: Literal["adamw", "adamw_8bit", "paged_adamw_32bit", "paged_adamw_8bit"] = knob(
        "adamw",
        doc="Loshchilov and Hutter 2019, float32 master weights; 8-bit states: Dettmers et al. 2022; "
        "paged: Dettmers et al. 2023 (QLoRA), on a GPU only",
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = knob(
        0.0,
        key_default=0.0,
        doc="answer with the moving average of the weights (Polyak and Juditsky 1992); 0: the last ones",
    )
    lesson_order: Literal["shuffled", "given"] = knob(
        "shuffled",
        key_default="shuffled",
        doc="given: every epoch in the order of the data slot, for a curriculum (Bengio et al. 2009)",
    )
    packing: bool = knob(
        False,
        key_default=False,
        doc="rows of a batch end to end instead of padded; none attends to another (Krell et al. 2021)",
    )
    activation_checkpointing: bool = knob(
        False, key_default=False, doc="compute activations twice and keep fewer (Chen et al. 2016)"
    )
    sharding: Literal["none", "full"] = knob(
        "none",
        in_key=False,
        doc="full: weights, gradients and optimizer states divided over the processes that train together "
        "(FSDP2: Zhao et al. 2023); nothing changes where there is one",
    )
    save_steps: NonNegativeInt = knob(
        100, in_key=False, doc="optimizer steps between checkpoints to resume from; 0: none"
    )
    early_stopping_patience: NonNegativeInt = knob(
        0, doc="evaluations without a better one before stopping; 0: never"
    )
    prompt_loss_weight: NonNegativeFloat = knob(
        0.0, low=0.0, high=1.0, doc="loss on prompt tokens; helps short answers (Huerta-Enochian and Ko 2024)"
    )
    neftune_noise_alpha: NonNegativeFloat = knob(
        0.0,
        choices=(0.0, 5.0, 10.0, 15.0),
        active_if=("packing", False),
        doc="noise on embeddings while training (Jain et al. 2023)",
    )
    eval_per_epoch: NonNegativeInt = knob(
        1, doc="evaluations on dev in each epoch; 0: none, the last weights are kept"
    )
    dev_examples: NonNegativeInt = knob(
        32, doc="dev examples whose loss and score choose the checkpoint; 0: none"
    )
    first_dev_examples: NonNegativeInt = knob(
        0,
        key_default=0,
        doc="dev examples that the first evaluation scores, each later one twice as many and the last all; "
        "only those that score all choose the checkpoint; 0: all each time",
    )
