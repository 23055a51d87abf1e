"""Full finetuning: every weight is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import PositiveFloat

from harness.core.kinds import knob
from harness.core.protocols import ArchitectureName, LanguageModel
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Full(Supervised):
    """Full finetuning. Adapters of earlier stages are merged into the weights first."""

    paper: ClassVar[str] = "Howard and Ruder 2018, ULMFiT, https://arxiv.org/abs/1801.06146"
    trains_base: ClassVar[bool] = True
    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder", "encoder-decoder")

    learning_rate: PositiveFloat = knob(
        1e-4, low=1e-6, high=1e-3, log=True, doc="a tenth of LoRA's; 2e-5 for models of 7B (Alpaca)"
    )

    def prepare(self, model: LanguageModel) -> None:
        from harness.models.layers.adapters import fold
        from harness.models.layers.blocks import refuse_quantized

        network = model.network
        refuse_quantized(network, "full finetuning")
        fold(network)
        network.requires_grad_(True)

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.models.layers import weights_io

        weights_io.save(dict(model.network.named_parameters()), folder / "model.safetensors")

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.models.layers import adapters, weights_io

        adapters.fold(model.network)
        weights_io.restore(model.network, folder / "model.safetensors")
        model.network.eval()
        return model
