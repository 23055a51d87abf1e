"""The base model in 8-bit integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.core.kinds import knob
from harness.core.protocols import ArchitectureName, Base, LanguageModel


@dataclass(frozen=True, kw_only=True)
class Int8(Base):
    """LLM.int8() weights of the linear layers (bitsandbytes); outlier features stay unquantized."""

    paper: ClassVar[str] = "Dettmers et al. 2022, LLM.int8(), https://arxiv.org/abs/2208.07339"
    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder", "encoder-decoder")
    quantized: ClassVar[bool] = True
    aliases: ClassVar[dict[str, str]] = {"llm_int8_threshold": "threshold"}

    row_bytes: ClassVar[float] = 4.0

    threshold: float = knob(6.0, doc="features with a larger activation are outliers and stay unquantized")

    def weight_bytes(self, size: float) -> float:
        return 1.0

    def load(self, spec: str) -> LanguageModel:
        import logging

        from transformers import BitsAndBytesConfig

        from harness.models.load import load

        # It warns at every call of every layer that it rounds its inputs, which is how the method works.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return load(spec, quantization=BitsAndBytesConfig(**self.quantization("auto")))

    def quantization(self, dtype: str) -> Mapping[str, object]:
        return {"load_in_8bit": True, "llm_int8_threshold": self.threshold}
