"""The base model in 4-bit NormalFloat, as QLoRA trains on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.core.kinds import knob
from harness.core.protocols import ArchitectureName, Base, LanguageModel


@dataclass(frozen=True, kw_only=True)
class Nf4(Base):
    """NF4 weights of the linear layers, dequantized block by block while computing (bitsandbytes).

    The embeddings, norms and the output layer stay unquantized.
    """

    paper: ClassVar[str] = "Dettmers et al. 2023, QLoRA, https://arxiv.org/abs/2305.14314"
    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder", "encoder-decoder")
    quantized: ClassVar[bool] = True
    aliases: ClassVar[dict[str, str]] = {"bnb_4bit_use_double_quant": "double_quantization"}

    double_quantization: bool = knob(True, doc="quantize the block scales too: 0.37 bits a weight saved")
    compute_dtype: Literal["auto", "float32", "bfloat16", "float16"] = knob(
        "auto", doc="auto: bfloat16 where the device computes in it natively, else float32"
    )

    def weight_bytes(self, size: float) -> float:
        """Four bits, and a scale for every 64 weights: a float32, or 8 bits with a float32 for every 256
        scales."""
        return 0.5 + (1 / 64 + 4 / (64 * 256) if self.double_quantization else 4 / 64)

    def load(self, spec: str) -> LanguageModel:
        import torch
        from transformers import BitsAndBytesConfig

        from harness.models.load import dtype_for, load

        compute = dtype_for(spec, self.compute_dtype, "cuda" if torch.cuda.is_available() else "cpu")
        dtype = str(compute).removeprefix("torch.")
        return load(spec, dtype=dtype, quantization=BitsAndBytesConfig(**self.quantization(dtype)))

    def quantization(self, dtype: str) -> Mapping[str, object]:
        return {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": self.double_quantization,
            "bnb_4bit_compute_dtype": dtype,
        }
