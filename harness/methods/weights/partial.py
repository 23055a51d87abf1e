"""Finetuning of the last blocks; everything below them is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import NonNegativeInt, PositiveFloat

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.protocols import LanguageModel
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Partial(Supervised):
    """Full finetuning of the last blocks and the last norm; embeddings and head by choice.

    Adapters of earlier stages are merged into the weights first.
    """

    paper: ClassVar[str] = "Lee, Tang and Lin 2019, https://arxiv.org/abs/1911.03090"
    trains_base: ClassVar[bool] = True

    learning_rate: PositiveFloat = knob(
        2e-4, low=1e-5, high=2e-3, log=True, doc="between that of full finetuning and that of LoRA"
    )
    layers: NonNegativeInt = knob(
        8, choices=(1, 2, 4, 8, 16), doc="blocks that move, counted from the last; a quarter in the paper"
    )
    embeddings: bool = knob(False, doc="move the input embeddings")
    head: bool = knob(False, doc="move the output layer")

    def prepare(self, model: LanguageModel) -> None:
        from harness.models.layers.adapters import fold
        from harness.models.layers.blocks import refuse_quantized, thaw_last

        network = model.network
        refuse_quantized(network, "partial finetuning")
        fold(network)
        thaw_last(network, self.layers)
        inward, outward = network.get_input_embeddings(), network.get_output_embeddings()
        if self.head != self.embeddings and inward.weight is outward.weight:
            raise ConfigError(
                "embeddings and head are one matrix in this model", remedy="set both of them or neither"
            )
        inward.requires_grad_(self.embeddings)
        outward.requires_grad_(self.head)

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.models.layers import weights_io

        weights_io.save(weights_io.trainable(model.network), folder / "model.safetensors")

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.models.layers import adapters, weights_io

        adapters.fold(model.network)
        weights_io.restore(model.network, folder / "model.safetensors")
        model.network.requires_grad_(False)
        model.network.eval()
        return model
