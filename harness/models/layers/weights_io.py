"""Saves trainable parameters to a safetensors file and restores them in place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import RunError
from harness.core.files import draft
from harness.core.torch_types import Network

if TYPE_CHECKING:
    import torch


def trainable(network: Network) -> dict[str, torch.nn.Parameter]:
    """The parameters that training changes, by name; a tied one appears once."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def save(parameters: Mapping[str, torch.Tensor], file: Path) -> None:
    """Write tensors by name; a reader never sees a half-written file."""
    from safetensors.torch import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    with draft(file) as part:
        save_file({name: p.detach().contiguous() for name, p in parameters.items()}, part)


def write(tensors: Mapping[str, torch.Tensor], file: Path, metadata: Mapping[str, str]) -> None:
    """Save tensors so that equal ones give equal bytes: safetensors itself writes metadata in a different
    order each time."""
    from safetensors.torch import save as serialized

    content = serialized(dict(tensors), dict(metadata))
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(ordered, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    with draft(file) as part:
        part.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


def restore(network: Network, file: Path) -> None:
    """Copy the tensors of a file into the network's parameters of the same names.

    Raises:
        RunError: the file is missing, or holds tensors that this network does not have.
    """
    import torch
    from safetensors import safe_open

    if not file.is_file():
        raise RunError(f"no trained weights at {file}")
    parameters = dict(network.named_parameters())
    with safe_open(file, framework="pt") as stored, torch.no_grad():
        for name in stored.keys():  # noqa: SIM118  (not a mapping)
            tensor = stored.get_tensor(name)
            target = parameters.get(name)
            if target is None or target.shape != tensor.shape:
                raise RunError(f"{file}: weights '{name}' do not fit this model")
            target.copy_(tensor)


def count(network: Network) -> tuple[int, int]:
    """Trainable and all parameters; 4-bit weights are stored two per byte and count as two."""
    learned = total = 0
    for parameter in network.parameters():
        state = getattr(parameter, "quant_state", None)
        size = parameter.numel() if state is None else state.shape.numel()
        total += size
        learned += size if parameter.requires_grad else 0
    return learned, total
