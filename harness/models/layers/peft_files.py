"""Learned prompts and prefixes on disk, in the layout that peft reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import RunError
from harness.core.torch_types import Network

if TYPE_CHECKING:
    import torch
    from peft import PromptLearningConfig

_FILE = "adapter_model.safetensors"
_KEY = "prompt_embeddings"


def write_prompt(network: Network, prompt: torch.Tensor, config: PromptLearningConfig, folder: Path) -> None:
    """Write `prompt` [tokens, width] with its peft configuration."""
    from safetensors.torch import save_file

    text = network.config.get_text_config()
    config.task_type, config.num_transformer_submodules = "CAUSAL_LM", 1
    config.num_layers, config.inference_mode = text.num_hidden_layers, True
    config.num_attention_heads = config.num_attention_heads or text.num_attention_heads
    folder.mkdir(parents=True, exist_ok=True)
    about = {"format": "pt", "model_type": str(network.config.model_type)}
    save_file({_KEY: prompt.detach().contiguous()}, folder / _FILE, metadata=about)
    config.save_pretrained(str(folder))


def read_prompt(network: Network, folder: Path) -> torch.Tensor:
    """Read what `write_prompt` wrote.

    Raises:
        RunError: nothing is there, or it was learned for another architecture.
    """
    from safetensors import safe_open

    file = folder / _FILE
    if not file.is_file():
        raise RunError(f"no adapter at {folder}")
    with safe_open(file, framework="pt") as stored:
        kind = (stored.metadata() or {}).get("model_type", network.config.model_type)
        if kind != network.config.model_type or _KEY not in stored.keys():  # noqa: SIM118  (not a mapping)
            raise RunError(
                f"the adapter at {folder} does not fit this model: it was learned for a {kind} model"
            )
        prompt: torch.Tensor = stored.get_tensor(_KEY)
    return prompt.to(network.device)
