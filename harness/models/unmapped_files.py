"""Weights files that are read tensor by tensor, where mapping them into memory would count their pages beside the
weights that are made from them: 0.5 GiB for the bundled model, whose float32 file becomes 0.25 GiB in bfloat16."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.layers.malloc import trim

if TYPE_CHECKING:
    import torch

_FORMATS = {"torch.float32": "F32", "torch.bfloat16": "BF16", "torch.float16": "F16"}
"""torch's and safetensors' names of number formats."""


@contextlib.contextmanager
def unmapped(folder: Path, number: torch.dtype, device: str, quantized: bool) -> Iterator[None]:
    """Inside the `with` block transformers reads a model folder's files on a CPU if it converts their numbers.

    Weights that need no conversion stay mapped, which takes their pages once and shares them between processes.

    Args:
        number: the number format that the weights are loaded in.
        device: where they are put.
        quantized: whether they are quantized as they are loaded.
    """
    from transformers import modeling_utils

    library: Any = modeling_utils
    mapped = getattr(library, "safe_open", None)
    if device != "cpu" or mapped is None or not (quantized or _converted(folder, number)):
        yield
        return
    # No argument of transformers chooses this, though it reads files this way itself on some systems.
    library.safe_open = lambda *args, **named: mapped(*args, **{**named, "backend": "pread"})
    try:
        yield
    finally:
        library.safe_open = mapped
        trim()


def _converted(folder: Path, number: torch.dtype) -> bool:
    """Whether a tensor of the folder's files has floating-point numbers of another format than `number`."""
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as stored:
            formats = {stored.get_slice(name).get_dtype() for name in stored.keys()}  # noqa: SIM118  (not a mapping)
        if formats & set(_FORMATS.values()) - {_FORMATS.get(str(number))}:
            return True
    return False
