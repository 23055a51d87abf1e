"""Bottleneck adapters in series: two small layers per block are trained, the network is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt

from harness.core.kinds import knob
from harness.core.protocols import LanguageModel
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Adapters(Supervised):
    """Serial adapters after attention and feed-forward, before the residual sum (Houlsby).

    They are not linear and so cannot be merged: each answer pays for them.
    """

    paper: ClassVar[str] = "Houlsby et al. 2019, https://arxiv.org/abs/1902.00751"
    exported_as: ClassVar[Literal["weights", "input", "nothing"]] = "nothing"

    learning_rate: PositiveFloat = knob(
        1e-3, low=3e-5, high=3e-3, log=True, doc="the paper searched 3e-5 to 3e-3"
    )
    bottleneck: PositiveInt = knob(
        64, choices=(8, 16, 32, 64, 128, 256), doc="width of the small layer; 8, 64 and 256 in the paper"
    )
    target_modules: tuple[str, ...] = knob(
        (), doc="layers that an adapter follows; empty: the last of attention and of feed-forward"
    )

    @property
    def alters_base(self) -> bool:
        return False

    def prepare(self, model: LanguageModel) -> None:
        from harness.models.layers import blocks, bottleneck

        bottleneck.attach(model.network, self.bottleneck, self.target_modules or blocks.OUTPUTS)

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.models.layers import bottleneck

        bottleneck.save(model.network, folder)

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.models.layers import bottleneck

        bottleneck.load(model.network, folder)
        return model
