"""The low-rank part of a weights kind: which adapter is put in, saved and loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveInt

from harness.core.errors import ConfigError
from harness.core.kinds import Translate, knob
from harness.core.protocols import Base, LanguageModel, Weights
from harness.core.torch_types import ModelConfig, Network
from harness.training.peft_files import PeftFiles

ALIASES: Mapping[str, str] = {
    "r": "lora_r",
    "lora_rank": "lora_r",
    "peft_use_dora": "use_dora",
    "peft_use_rslora": "use_rslora",
    "peft_init_lora_weights": "init_lora_weights",
}
LAYER = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


def _targets(layers: object) -> Mapping[str, object]:
    """LLaMA-Factory's `all`, and names of layers."""
    return {"target_modules": "all-linear" if layers == "all" else layers}


def _linear(wanted: object) -> Mapping[str, object]:
    """Axolotl's `lora_target_linear`; false leaves the choice of layers to other settings."""
    return {"target_modules": "all-linear"} if wanted is True else {}


FOREIGN: Mapping[str, Translate] = {
    "lora_target": _targets,
    "lora_target_modules": _targets,
    "lora_target_linear": _linear,
}
IMPLIED: Mapping[str, Translate] = {
    "lora_rank": lambda rank: {"lora_alpha": 2 * rank} if isinstance(rank, int) else {}
}
"""LLaMA-Factory's alpha is twice the rank if it is not given."""

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
"""What configurations call the number of experts."""


@dataclass(frozen=True, kw_only=True)
class LowRank(PeftFiles):
    """LoRA, DoRA and rsLoRA, with peft; the adapters are float32, whatever the base is."""

    lora_r: PositiveInt = knob(16, choices=(4, 8, 16, 32, 64), doc="rank; 8 to 64 in LoRA and QLoRA")
    lora_alpha: PositiveInt = knob(
        32,
        choices=(16, 32, 64),
        doc="the update is scaled by lora_alpha / lora_r; 16 in QLoRA, the first rank tried in LoRA",
    )
    lora_dropout: NonNegativeFloat = knob(0.0, choices=(0.0, 0.05, 0.1), doc="0.05 to 0.1 in QLoRA")
    target_modules: str | tuple[str, ...] = knob(
        "all-linear",
        choices=("all-linear", "attention"),
        doc="'all-linear' (every linear layer but the output: QLoRA), 'attention' (its linear layers only: "
        "LoRA), or module names",
    )
    use_dora: bool = knob(
        False, doc="learn magnitude and direction apart (Liu et al. 2024, arXiv:2402.09353)"
    )
    use_rslora: bool = knob(
        False, doc="scale by lora_alpha / sqrt(lora_r) (Kalajdzievski 2023, arXiv:2312.03732)"
    )
    init_lora_weights: Literal["default", "gaussian", "orthogonal", "pissa", "olora", "loftq"] = knob(
        "default",
        doc="pissa: arXiv:2404.02948, olora: arXiv:2406.01775, loftq (to what nf4 can hold; needs a GPU): "
        "arXiv:2310.08659; these three change the frozen weights",
    )

    adapter: ClassVar[str] = "LORA"

    def obstacle(self, base: Base, earlier: Sequence[Weights]) -> str | None:
        if base.quantized and self.use_dora and any(stage.adapter for stage in earlier):
            # peft trains one function and answers with another, and nothing can be merged into quantized
            # weights.
            return f"DoRA after another adapter needs that one merged, which rounds base {base.name()}"
        if self.use_dora and (base.quantization("auto") or {}).get("load_in_8bit") and not _on_gpu():
            return f"peft has no DoRA over base {base.name()} on a CPU"
        if base.quantized and self.alters_base:
            return f"init_lora_weights: {self.init_lora_weights} changes the base's own weights, which base {base.name()} holds in few bits"
        reason: str | None = super().obstacle(base, earlier)  # type: ignore[misc]
        return reason

    def __post_init__(self) -> None:
        """Bad layer names are refused when the recipe is read, not when training starts."""
        targets = self.target_modules
        for name in targets.split(",") if isinstance(targets, str) else targets:
            if name.strip() not in ("all-linear", "attention") and not LAYER.fullmatch(name.strip()):
                raise ConfigError(
                    f"{type(self).__name__.lower()}.target_modules: {name!r} is not the name of a layer; patterns are not supported",
                    remedy="'all-linear', 'attention', or names such as q_proj, v_proj",
                )

    def unsuited(self, config: ModelConfig) -> str | None:
        text = config.get_text_config()
        fused = any(getattr(text, name, None) for name in _EXPERTS) and self.target_modules == "all-linear"
        if fused and self.alters_base:
            return f"peft has no init_lora_weights: {self.init_lora_weights} for fused experts: target_modules: attention"
        if fused and (self.use_dora or self.lora_dropout):
            return "peft has neither DoRA nor lora_dropout for fused experts: target_modules: attention"
        return None

    @property
    def alters_base(self) -> bool:
        return self.init_lora_weights in ("pissa", "olora", "loftq")

    def prepare(self, model: LanguageModel) -> None:
        from harness.models.layers.deferred_compile import compiled_when_called

        with compiled_when_called():
            from peft import LoraConfig
        from transformers.pytorch_utils import Conv1D

        from harness.models.architecture import of
        from harness.models.layers.adapters import attach
        from harness.models.layers.blocks import refuse_quantized
        from harness.models.layers.plain_layers import quantization

        modules = list(model.network.modules())
        on_cpu = model.network.device.type == "cpu"
        if self.use_dora and on_cpu and any(quantization(module) == "8bit" for module in modules):
            raise ConfigError("peft has no DoRA over an 8-bit base on a CPU", remedy="use base: nf4 or plain")
        if self.init_lora_weights == "loftq":
            refuse_quantized(model.network, "LoftQ's initialization")
            if on_cpu:
                raise ConfigError("peft computes LoftQ on a GPU only", remedy="init_lora_weights: pissa")
        targets = self.target_modules
        if targets == "attention":
            targets = attention_layers(model.network)
        elif isinstance(targets, str) and targets != "all-linear":
            targets = tuple(name.strip() for name in targets.split(","))
        config = LoraConfig(
            task_type=of(model.network.config).peft_task,
            r=self.lora_r,
            lora_alpha=self.lora_alpha,
            lora_dropout=self.lora_dropout,
            target_modules=targets if isinstance(targets, str) else list(targets),
            exclude_modules=_left_alone(model.network),
            fan_in_fan_out=any(isinstance(module, Conv1D) for module in modules),
            use_dora=self.use_dora,
            use_rslora=self.use_rslora,
            init_lora_weights=True if self.init_lora_weights == "default" else self.init_lora_weights,
        )
        attach(model.network, config)

    def outline(self, model: LanguageModel) -> int:
        # Other initializations read the weights; the adapter's size is the same.
        replace(self, init_lora_weights="default").prepare(model)
        return 0


_MAMBA = ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h")
_READ_BY_KERNELS = r".*\.(out_proj|conv1d)"
"""Layers whose weights Mamba's kernels read without calling the layer: peft refuses to adapt them."""


def _left_alone(network: Network) -> str | None:
    """A regular expression of the layers that never get an adapter, whatever `target_modules` says; None if
    there are none."""
    from torch import nn

    from harness.models.layers.blocks import outside_text

    # Llama 4's router is a linear layer that returns two results, which no adapter can be added to.
    routers = {
        re.escape(name.rpartition(".")[2])
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and type(module).__name__.endswith("Router")
    }
    routing = rf".*\.({'|'.join(sorted(routers))})" if routers else None
    fused = _READ_BY_KERNELS if network.config.get_text_config().model_type in _MAMBA else None
    patterns = [pattern for pattern in (outside_text(network), fused, routing) if pattern]
    return "|".join(f"({pattern})" for pattern in patterns) or None


def _on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def attention_layers(network: Network) -> tuple[str, ...]:
    """Names of the linear layers inside the network's attention modules, quantized ones among them.

    Raises:
        ConfigError: no module of the network is named attention.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    layer_names = {
        name.rpartition(".")[2]
        for module in network.modules()
        if "attention" in type(module).__name__.lower()
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | Conv1D)
    }
    if not layer_names:
        raise ConfigError(
            "this network has no module named attention", remedy="name its layers in target_modules"
        )
    return tuple(sorted(layer_names))
