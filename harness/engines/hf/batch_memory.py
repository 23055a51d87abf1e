"""How many rows fit into memory, from the bytes of their keys and values."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

from harness.core.torch_types import Network
from harness.models.architecture import base_of
from harness.models.dimensions import head_size, key_value_heads
from harness.models.number_format import dtype_of
from harness.models.placement import devices

_SHARE = 0.4
"""Share of the free memory for keys and values; the rest is for activations."""


def rows_that_fit(network: Network, length: int, most: int) -> int:
    """How many rows of `length` tokens fit beside the network, between 1 and `most`."""
    return max(1, min(most, int(free_beside(network) * _SHARE / (length * token_bytes(network)))))


def token_bytes(network: Network) -> int:
    """Bytes of one token's keys and values over all layers."""
    config = base_of(network).config.get_text_config()
    width = torch.finfo(dtype_of(network)).bits // 8
    return int(2 * config.num_hidden_layers * key_value_heads(config) * head_size(config) * width)


def free_beside(network: Network) -> float:
    """Bytes that can still be allocated on the network's device; of several, on the fullest one."""
    several = devices(base_of(network))
    if len(several) < 2:
        return free(network.device)
    return min(
        free(torch.device("cuda", int(name)) if name.isdigit() else torch.device(name)) for name in several
    )


def free(device: torch.device) -> float:
    """Bytes that can still be allocated on a device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return min(int(psutil.virtual_memory().available), _container_free())


def _container_free() -> float:
    """Bytes left below a container's memory limit (cgroup v2), if there is one."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return float("inf")
    return float("inf") if limit == "max" else max(0, int(limit) - int(used))
