"""A model's network and chat in memory, in the number format that suits the machine."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError
from harness.core.protocols import LanguageModel
from harness.core.torch_types import ModelConfig, Network
from harness.models import weights_elsewhere
from harness.models.cache import quiet
from harness.models.chat import chat_from
from harness.models.fingerprint import fingerprint
from harness.models.placement import device_map, is_left_out, require_on_gpus, too_large_for_all
from harness.models.source import architecture_of, is_tiny, resolve
from harness.models.unmapped_files import unmapped

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float32", "bfloat16", "float16")


def load(
    spec: str,
    dtype: str = "auto",
    quantization: object = None,
    device: str | None = None,
    config: ModelConfig | None = None,
) -> LanguageModel:
    """Load a model by its spec (see `harness.models.source`).

    `dtype` is one of `DTYPES`; `auto` is bfloat16 if the device computes in it natively, and float32
    otherwise. `quantization` is a transformers quantization configuration. `device` defaults to CUDA if there
    is one. `config` replaces the model's own configuration.

    Raises:
        ConfigError: no such model, one of an architecture that cannot be loaded, or a bad dtype.
    """
    import torch
    import transformers

    folder = resolve(spec)
    target_device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    number = dtype_for(spec, dtype, target_device)
    extra: dict[str, Any] = {} if quantization is None else {"quantization_config": quantization}
    if config is not None:
        extra["config"] = config
    chat = chat_from(folder)
    kind = architecture_of(spec)
    try:
        with quiet(), contextlib.nullcontext() if kind.writes else _drawn_alike():
            if weights_elsewhere.is_active() and quantization is None:
                network = weights_elsewhere.reserved(folder, kind.loader, number, config)
            else:
                with unmapped(folder, number, target_device, quantization is not None):
                    network = getattr(transformers, kind.loader).from_pretrained(
                        folder,
                        dtype=number,
                        device_map=device_map(folder, target_device, number.itemsize, quantization),
                        trust_remote_code=False,
                        use_safetensors=True,
                        **extra,
                    )
    except torch.OutOfMemoryError:
        raise ConfigError(
            f"model '{spec}' does not fit into the GPU's memory in {str(number).removeprefix('torch.')}",
            remedy="base: nf4, or a smaller model; harness estimate MODEL --gpu GIB says what fits",
        ) from None
    except (ValueError, KeyError, OSError) as error:
        if is_left_out(error):
            raise too_large_for_all(spec, "part of it would be on the CPU") from None
        raise ConfigError(f"cannot load model '{spec}': {error}", file=folder) from None
    require_on_gpus(spec, network, target_device)
    network.eval()
    if quantization is not None:
        _let_go_of_file(network)
        _keep_gradients(network)
    return LanguageModel(
        network=network,
        chat=chat,
        spec=spec,
        fingerprint=fingerprint(spec),
        context=min(context_length(network.config), chat.longest),
    )


def _let_go_of_file(network: Network) -> None:
    """Copy the weights that quantization left unchanged out of the memory-mapped file. They are few, but any
    one of them keeps the whole file in memory: 0.5 of the 0.9 GB that the bundled model takes in NF4.
    """
    from harness.models.layers.out_of_memory import release

    for weight in network.parameters():
        if weight.is_floating_point() and weight.device.type == "cpu":
            weight.data = weight.data.clone()
    release()


def _keep_gradients(network: Network) -> None:
    """Keep bitsandbytes' 4-bit layers in the layout that gradients pass through.

    On a CPU that computes bfloat16 (AVX512-BF16) such a layer repacks its weight at its first forward pass in
    evaluation mode, for good, and the kernel for that layout has no backward pass: a network that was
    evaluated once, as every network is before it is trained, would from then on learn nothing below its last
    quantized layer.
    """
    for module in network.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


@contextlib.contextmanager
def _drawn_alike() -> Iterator[None]:
    """The pooler, which an encoder's files may lack, is drawn at random, the same at every load; no warning
    is needed."""
    from transformers.utils import logging

    from harness.models.random_state import seeded

    shown = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with seeded(0):
            yield
    finally:
        logging.set_verbosity(shown)


def dtype_for(spec: str, name: str, device: str) -> torch.dtype:
    """The torch dtype in which a model is computed; the random models made for tests are float32 under `auto`.

    Raises:
        ConfigError: not one of `DTYPES`.
    """
    return choose_dtype("float32" if name == "auto" and is_tiny(spec) else name, device)


def choose_dtype(name: str, device: str) -> torch.dtype:
    """The torch dtype of a name.

    Raises:
        ConfigError: not one of `DTYPES`.
    """
    import torch

    if name not in DTYPES:
        raise ConfigError(f"unknown dtype '{name}'", remedy=f"known: {', '.join(DTYPES)}")
    if name == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def computes_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware.

    A CPU without such instructions emulates them: 80 times slower than float32 as measured
    (AVX2 only, 1024 × 576 by 576 × 1536).
    """
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if platform.machine().lower() in ("arm64", "aarch64"):
        return platform.system() == "Linux" and "bf16" in _cpu_features()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _cpu_features() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def context_length(config: ModelConfig) -> int:
    """The longest input in tokens; multimodal configurations keep it in their text part."""
    text = config.get_text_config()
    return int(getattr(text, "max_position_embeddings", None) or 2048)
