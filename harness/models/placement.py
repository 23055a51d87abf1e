"""The device on which a network is loaded, and how one larger than a GPU is spread over several.

transformers and accelerate place whole blocks and move what flows between them. That is enough to answer;
training, and the harness's own passes over shared prefixes, use one device only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.torch_types import Network

_ROOM = 0.8
"""Share of a GPU's free memory that weights may take; the rest is for keys, values and activations."""
_FEW_BITS = {"load_in_4bit": 0.35, "load_in_8bit": 0.6}
"""Bytes of a quantized network over those of its 16-bit files: embeddings and output layer are left
unchanged."""


def device_map(folder: Path, device: str, width: int, quantization: object) -> str | Mapping[str, str]:
    """`device` for everything; "auto" if there are several GPUs and the weights are too large for one.

    Args:
        folder: the model's files.
        device: where it is loaded if it fits, such as "cuda".
        width: bytes of a number.
        quantization: a transformers quantization configuration, or None.
    """
    import torch

    if device != "cuda" or torch.cuda.device_count() < 2:
        return {"": device}
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    shares = [share for name, share in _FEW_BITS.items() if getattr(quantization, name, False)]
    needed = stored * (shares[0] if shares else width / 2)
    free = torch.cuda.mem_get_info(0)[0]
    return {"": device} if needed < free * _ROOM else "auto"


def devices(network: Network) -> tuple[str, ...]:
    """The devices that a network's blocks are on; empty if it was not placed by a map."""
    placed = getattr(network, "hf_device_map", None) or {}
    return tuple(dict.fromkeys(str(device) for device in placed.values()))


def require_on_gpus(spec: str, network: Network) -> None:
    """
    Raises:
        ConfigError: all GPUs together are too small, and some blocks were left on the CPU or on disk.
    """
    outside = [device for device in devices(network) if device in ("cpu", "disk")]
    if len(devices(network)) > 1 and outside:
        raise ConfigError(
            f"model '{spec}' does not fit into the memory of all GPUs together: part of it is on the {outside[0]}",
            remedy="base: nf4, or a smaller model",
        )


def require_one(spec: str, network: Network) -> None:
    """
    Raises:
        ConfigError: the network is spread over several devices, where it cannot be trained.
    """
    if len(devices(network)) > 1:
        raise ConfigError(
            f"model '{spec}' is laid over {len(devices(network))} GPUs, where it can be asked and not trained",
            remedy="base: nf4 may fit one; or a GPU with more memory: harness estimate --gpu GIB says how much",
        )
