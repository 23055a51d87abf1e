"""Combines several LoRA adapters into one with peft's arithmetic."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.torch_types import Network
from harness.models.layers.adapters import expected_warnings
from harness.models.layers.plain_layers import adapted

NAME = "combined"

_BESIDE_MATRICES = (
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "velora_config",
)
"""What an adapter may hold or do beside two matrices a layer. peft combines the matrices and leaves the rest as the
base has it, without an error; it gives separate ranks to fused experts (`target_parameters`), which it does not combine."""


def is_lora(folder: Path) -> bool:
    """Whether a folder holds a plain LoRA adapter: two matrices a layer and nothing else (no DoRA, biases, trained
    tokens or heads), and no initialization that changes frozen weights."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    drawn = (True, False, "gaussian", "orthogonal")
    return (
        config.get("peft_type") == "LORA"
        and not any(config.get(key) for key in _BESIDE_MATRICES)
        and config.get("bias", "none") == "none"
        and config.get("init_lora_weights", True) in drawn
    )


def hollow(network: Network) -> Network:
    """A network on torch's meta device with float32 zeros, which take no memory, in place of its weights: enough to
    combine adapters, for which only the shapes of its layers matter. peft rounds what it combines to the number format
    of the weights below it.
    """
    import torch
    from torch import nn

    zero = torch.zeros(())
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            weight = nn.Parameter(zero.expand(parameter.shape), requires_grad=False)
            module.register_parameter(name, weight)
    return network


def combine(
    network: Network,
    folders: Sequence[Path],
    weights: Sequence[float],
    method: str,
    seed: int = 0,
    **how: Any,
) -> Any:
    """A `PeftModel` over `network` with one active adapter, named `NAME`, made of those in `folders`.

    `method` is one of peft's: `cat` (the sum of the deltas, exactly), `linear`, `ties`, `dare_linear`,
    `dare_ties` …; `seed` is for what DARE drops; `how` is passed on (`density`, `majority_sign_method`).

    Raises:
        ConfigError: a folder holds no plain LoRA adapter, or peft cannot combine these.
    """
    from peft import PeftModel

    from harness.models.random_state import seeded

    for folder in folders:
        if not is_lora(folder):
            raise ConfigError(
                "holds no plain LoRA adapter, without DoRA, biases and an initialization that changes the base",
                file=folder,
                remedy="train it with weights: lora",
            )
    try:
        with expected_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            model = PeftModel.from_pretrained(network, str(folders[0]), adapter_name="part0")
            for index, folder in enumerate(folders[1:], start=1):
                model.load_adapter(str(folder), adapter_name=f"part{index}")
            parts = list(model.peft_config)
            with seeded(seed):
                model.add_weighted_adapter(parts, list(weights), NAME, combination_type=method, **how)
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(f"peft cannot combine these adapters: {error}") from None
    _unscale(model)
    model.set_adapter(NAME)
    return model.eval()


def _unscale(model: Any) -> None:
    """peft puts each part's scale into the combined matrices and gives them the first part's configuration: under
    rsLoRA they would be scaled again, by the root of the rank."""
    config = model.peft_config[NAME]
    config.use_rslora, config.lora_alpha = False, config.r
    for _, layer in adapted(model):
        if NAME in layer.scaling:
            layer.scaling[NAME] = 1.0
