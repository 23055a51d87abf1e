"""Low-rank adapters beside the linear layers; on an `nf4` base this is QLoRA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import PositiveFloat

from harness.core.kinds import Translate, knob
from harness.core.protocols import ArchitectureName
from harness.training import lora_settings
from harness.training.settings import TrainingSettings
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Lora(lora_settings.LowRank, Supervised):
    """LoRA, DoRA and rsLoRA, with peft; the adapters are float32, whatever the base is."""

    paper: ClassVar[str] = "Hu et al. 2021, LoRA, https://arxiv.org/abs/2106.09685"
    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder", "encoder-decoder")
    spreads: ClassVar[bool] = True
    aliases: ClassVar[Mapping[str, str]] = {**TrainingSettings.aliases, **lora_settings.ALIASES}
    foreign: ClassVar[Mapping[str, Translate]] = {**TrainingSettings.foreign, **lora_settings.FOREIGN}
    implied: ClassVar[Mapping[str, Translate]] = lora_settings.IMPLIED

    learning_rate: PositiveFloat = knob(
        1e-3,
        low=5e-5,
        high=5e-3,
        log=True,
        doc="about ten times that of full finetuning (Schulman et al. 2025)",
    )
