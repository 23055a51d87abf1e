"""How a GGUF file's rotary positions are scaled, put into the configuration of the network that was read from it.

transformers reads it for one architecture only; for any other it makes the network without the scaling, and says nothing
(findings/transformers-gguf-loses-the-scaled-positions.sh).
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from gguf import GGUFReader
    from transformers import PreTrainedConfig

_NAMES = (b".rope.scaling.", b".rope.scale_linear", b"rope_freqs.", b"rope_factors_")
_HEADER = 32 * 2**20
"""The names of keys and tensors stand before the weights; no vocabulary takes more than this."""

_LLAMA3 = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""What every model of that scheme was published with; a file keeps the resulting divisors only."""

_YARN = {
    "original_context_length": "original_max_position_embeddings",
    "yarn_beta_fast": "beta_fast",
    "yarn_beta_slow": "beta_slow",
}
_HARMLESS = ("type", "factor", "finetuned", "original_context_length")


def mentions_scaling(file: Path) -> bool:
    """Whether the file names any key or tensor of scaled positions; the file is not parsed."""
    with file.open("rb") as opened:
        if not file.stat().st_size:
            return False
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(name, 0, _HEADER) >= 0 for name in _NAMES)


def restore(file: Path, config: PreTrainedConfig) -> None:
    """Give `config` the scaling that the file states, where it has none yet.

    Raises:
        ConfigError: a scaling that transformers computes in another way, or not at all.
    """
    from gguf import GGUFReader

    # The full attention's, where a network has windows too: those are never scaled.
    held = getattr(config, "rope_parameters", None) or {}
    held = held.get("full_attention", held)
    if held.get("rope_type", "default") != "default":
        return
    reader = GGUFReader(file)
    stated = _stated(reader)
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    # llama.cpp takes a factor without a type as linear, and 0 as no factor.
    kind = str(stated.get("type", "linear"))
    if any(name.startswith("rope_factors_") for name in tensors):
        kind = "longrope"
    factor = _number(stated, "factor", _number(stated, "scale_linear", 1.0)) or 1.0
    if kind == "linear" and factor == 1.0:
        kind = "none"
    if kind in ("linear", "none") and _number(stated, "attn_factor", 1.0) != 1.0:
        raise _unreadable(file, "attn_factor")
    if kind in ("linear", "yarn") and "rope_freqs.weight" in tensors:
        raise _unreadable(file, f"{kind} beside rope_freqs.weight")
    if kind in ("linear", "yarn") and not held:
        raise _unreadable(file, f"{kind} in a network whose configuration has no place for it")
    if "rope_freqs.weight" in tensors and kind == "none":
        _llama3(file, config, held, tensors["rope_freqs.weight"].tolist())
    elif kind == "linear":
        held.update(rope_type="linear", factor=factor)
    elif kind == "yarn":
        unknown = [key for key in stated if key not in (*_HARMLESS, *_YARN)]
        if unknown:
            raise _unreadable(file, f"yarn with {', '.join(unknown)}")
        held.update(rope_type="yarn", factor=factor)
        held.update({name: stated[key] for key, name in _YARN.items() if key in stated})
    elif kind != "none":
        raise _unreadable(file, kind)


def _stated(reader: GGUFReader) -> dict[str, object]:
    """The keys of the file's scaling, without the names before them."""
    keys: dict[str, object] = {}
    for name, field in reader.fields.items():
        _, scaling, key = name.partition(".rope.scaling.")
        if scaling or name.endswith(".rope.scale_linear"):
            keys[key if scaling else "scale_linear"] = field.contents()
    return keys


def _number(stated: Mapping[str, object], key: str, default: float) -> float:
    return float(str(stated.get(key, default)))


def _llama3(file: Path, config: PreTrainedConfig, held: dict[str, object], divisors: list[float]) -> None:
    """The scheme of Llama 3.1, recognized by the divisors of the frequencies that a file keeps instead of its numbers."""
    import torch

    if held is not config.rope_parameters:
        raise _unreadable(file, "rope_freqs.weight beside windows")
    plain = _frequencies(config)
    held.update(_LLAMA3 | {"factor": max(divisors)})
    if len(divisors) != len(plain) or not torch.allclose(
        _frequencies(config), plain / torch.tensor(divisors), rtol=1e-3
    ):
        raise _unreadable(file, "rope_freqs.weight")


def _frequencies(config: PreTrainedConfig) -> torch.Tensor:
    """The rotary frequencies that a network of this configuration computes with."""
    import torch
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope: Mapping[str, object] = config.rope_parameters
    if rope["rope_type"] != "default":
        frequencies: torch.Tensor = ROPE_INIT_FUNCTIONS[str(rope["rope_type"])](config, None)[0]
        return frequencies
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    plain: torch.Tensor = torch.tensor(float(str(rope["rope_theta"]))) ** (-torch.arange(0, width, 2) / width)
    return plain


def _unreadable(file: Path, what: str) -> ConfigError:
    return ConfigError(
        f"its rotary positions are scaled in a way that transformers does not read from GGUF: {what}",
        file=file,
        remedy="name the folder or hub id that the file was made from, or serve the file and name the server",
    )
