"""The base model with its rotary positions stretched over a longer context."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.protocols import Base, LanguageModel


@dataclass(frozen=True, kw_only=True)
class LongContext(Base):
    """RoPE scaling with the model's own mechanism: the context becomes `factor` times as long.

    Dynamic scaling is not offered: its frequencies change with the length, so keys that were
    computed earlier no longer fit, and no cache of a shared beginning would be right.
    """

    paper: ClassVar[str] = (
        "linear: Chen et al. 2023, Position Interpolation, arXiv:2306.15595; "
        "yarn: Peng et al. 2023, YaRN, arXiv:2309.00071"
    )
    published: ClassVar[bool] = False

    rope_type: Literal["linear", "yarn"] = "yarn"
    factor: Annotated[float, Gt(1)] = knob(2.0, choices=(2.0, 4.0, 8.0), doc="how many times longer")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    def load(self, spec: str) -> LanguageModel:
        from transformers import AutoConfig

        from harness.models.load import load
        from harness.models.source import resolve

        config = AutoConfig.from_pretrained(resolve(spec), trust_remote_code=False)
        text = config.get_text_config()
        rope = getattr(text, "rope_parameters", None)
        if not rope or "rope_theta" not in rope:
            raise ConfigError(
                f"model '{spec}' has no single rotary embedding to stretch", remedy="base: plain"
            )
        if rope.get("rope_type", "default") != "default":
            raise ConfigError(
                f"model '{spec}' is already stretched ({rope['rope_type']})", remedy="base: plain"
            )
        if getattr(text, "head_dim", 0) is None:
            # Mixtral's configuration leaves it out, and transformers' YaRN multiplies it.
            text.head_dim = text.hidden_size // text.num_attention_heads
        before = int(text.max_position_embeddings)
        scaled = {**rope, "rope_type": self.rope_type, "factor": self.factor}
        if self.rope_type == "yarn":
            scaled["original_max_position_embeddings"] = before
        text.rope_parameters = scaled
        text.max_position_embeddings = int(before * self.factor)
        loaded = load(spec, dtype=self.dtype, config=config)
        return replace(loaded, context=text.max_position_embeddings)
