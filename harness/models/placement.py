"""The device on which a network is loaded, and how one larger than a GPU is spread over several.

transformers and accelerate place whole blocks and move what flows between them, gradients too. That is enough to
answer, and to train adapters; the harness's own passes over shared prefixes answer on one device only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.protocols import Weights
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

    if device != "cuda" or not several():
        return {"": device}
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    shares = [share for name, share in _FEW_BITS.items() if getattr(quantization, name, False)]
    needed = stored * (shares[0] if shares else width / 2)
    return {"": device} if fits_one(needed) else "auto"


def several() -> bool:
    """Whether one network may be laid over several GPUs: each process that torchrun started has one GPU."""
    import torch

    if int(os.environ.get("WORLD_SIZE", "1")) > 1 or not torch.cuda.is_available():
        return False
    return torch.cuda.device_count() > 1


def fits_one(needed: float) -> bool:
    """Whether weights of `needed` bytes are placed on one GPU."""
    import torch

    return needed < torch.cuda.mem_get_info(0)[0] * _ROOM


def memory_of_all() -> float:
    """Bytes of all GPUs that one network may be laid over; infinite without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return float("inf")
    count = torch.cuda.device_count() if several() else 1
    return float(sum(torch.cuda.get_device_properties(index).total_memory for index in range(count)))


def devices(network: Network) -> tuple[str, ...]:
    """The devices that a network's blocks are on; empty if it was not placed by a map."""
    placed = getattr(network, "hf_device_map", None) or {}
    return tuple(dict.fromkeys(str(device) for device in placed.values()))


def require_on_gpus(spec: str, network: Network, device: str) -> None:
    """
    Args:
        device: where the network was to be loaded.

    Raises:
        ConfigError: all GPUs together are too small, and some blocks were left on the CPU or on disk.
    """
    outside = [one for one in (*devices(network), network.device.type) if one in ("cpu", "disk")]
    if device == "cuda" and outside:
        raise too_large_for_all(spec, f"part of it is on the {outside[0]}")


_LEFT_OUT = "Some modules are dispatched on the CPU or the disk"
"""How transformers begins its refusal to load a quantized network that the GPUs together do not hold."""


def is_left_out(error: BaseException) -> bool:
    """Whether loading a quantized network failed because the GPUs together are too small."""
    return str(error).startswith(_LEFT_OUT)


def too_large_for_all(spec: str, consequence: str) -> ConfigError:
    """The error for a model that all GPUs together do not hold."""
    return ConfigError(
        f"model '{spec}' does not fit into the memory of all GPUs together: {consequence}",
        remedy="base: nf4, or a smaller model; harness estimate MODEL --gpu GIB says what fits",
    )


REMEDY = (
    "weights: lora; or base: nf4, which may fit one GPU; or torchrun with sharding: full for weights: full; "
    "harness estimate MODEL --gpu GIB says what fits"
)


def untrainable(stages: Sequence[Weights]) -> str | None:
    """The first kind of weights that cannot be trained on a network over several devices; None if all can."""
    return next((stage.name() for stage in stages if not stage.spreads), None)


def require_trainable(spec: str, network: Network, stages: Sequence[Weights]) -> None:
    """
    Raises:
        ConfigError: the network is laid over several devices, where not all of these can be trained.
    """
    count, kind = len(devices(network)), untrainable(stages)
    if count > 1 and kind is not None:
        raise ConfigError(
            f"model '{spec}' is laid over {count} GPUs, where weights {kind} cannot be trained", remedy=REMEDY
        )
