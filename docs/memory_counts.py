"""Fill the table of docs/memory.md that compares estimates with counted bytes, at real sizes and without weights.

    python -m docs.memory_counts          # from the repository's root; two minutes on one core

A training step runs on torch's meta device, whose tensors have shapes and no memory, with the package's own layers, loss
and optimizer, and every storage that is alive is counted. Two depths are counted and the rest of the blocks is added:
blocks are alike. Attention keeps what CUDA's flash kernel keeps; Adam's states are counted and not computed.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.core.kinds import build
from harness.estimate import memory
from harness.models.dimensions import Shape
from harness.training.masters import Master

PAGE = Path(__file__).with_name("memory.md")
BEGIN, END = "<!-- counts: made by python -m docs.memory_counts -->", "<!-- end of counts -->"
TOKENS, LEARNED = 2048, 64
SHALLOW, DEEPER = 2, 4
RANK = 16
_LLAMA = {"model_type": "llama", "tie_word_embeddings": False}
MODELS: dict[str, dict[str, Any]] = {
    "8B (Llama 3.1)": {
        **_LLAMA,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "13B (Llama 2)": {
        **_LLAMA,
        "hidden_size": 5120,
        "intermediate_size": 13824,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "num_key_value_heads": 40,
        "vocab_size": 32000,
    },
    "70B (Llama 3.1)": {
        **_LLAMA,
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
}
METHODS = ("lora", "qlora", "full")


@dataclass(frozen=True, kw_only=True)
class Count:
    """Peak bytes of a training step, as estimated and as counted."""

    model: str
    method: str
    checkpointing: bool
    estimated: float
    counted: float


class Alive(TorchDispatchMode):
    """Bytes of all storages that operations made and that still exist, now and at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        if name in self._known:
            return
        self._known.add(name)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, name, size)

    def _gone(self, name: int, size: int) -> None:
        self._known.discard(name)
        self.now -= size


class _Flash(torch.autograd.Function):
    """Keeps what CUDA's flash attention keeps for its gradient: its operands, the output and a sum for each row."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out, sums = torch.empty_like(query), query.new_empty(query.shape[:3], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, sums)
        return out

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])


class _Adam:
    """Two float32 states for each master weight, and no arithmetic."""

    def __init__(self, _groups: object, _settings: object, masters: Sequence[Master]) -> None:
        self.param_groups: list[dict[str, object]] = []
        zeros = partial(torch.zeros_like, dtype=torch.float32)
        self._states = [(zeros(one.parameter), zeros(one.parameter)) for one in masters]

    def step(self) -> None:
        """Nothing is computed."""


def count(model: str, method: str, checkpointing: bool) -> Count:
    """Both figures for a row of `TOKENS` tokens, the last `LEARNED` of which have a loss."""
    depth = MODELS[model]["num_hidden_layers"]
    low, high = (_peak(model, method, checkpointing, layers) for layers in (SHALLOW, DEEPER))
    counted = low + (high - low) / (DEEPER - SHALLOW) * (depth - SHALLOW)
    return Count(
        model=model,
        method=method,
        checkpointing=checkpointing,
        estimated=_estimate(model, method, checkpointing),
        counted=counted,
    )


def _peak(model: str, method: str, checkpointing: bool, layers: int) -> int:
    """Counted in the second of two steps, when the optimizer has its states."""
    from harness.models.layers import weights_io
    from harness.training.activation_checkpointing import recomputed_activations
    from harness.training.optimizer import Optimizer

    alive = Alive()
    with alive, _on_meta():
        network = _network(model, layers)
        if method == "qlora":
            _quantize(network)
        stage = _stage(method, checkpointing)
        _prepare(network, method)
        optimizer = Optimizer(list(weights_io.trainable(network).values()), stage)
        network.train()
        for _ in range(2):
            alive.most = alive.now
            with recomputed_activations(network, checkpointing), _narrow(network):
                _step(network)
            optimizer.clear()
        return alive.most


def _step(network: Any) -> None:
    from harness.training import loss

    ids = torch.zeros(1, TOKENS, dtype=torch.long, device="meta")
    hidden = network.base_model(input_ids=ids, use_cache=False).last_hidden_state
    learned = hidden[0, -LEARNED:]
    weights = torch.ones(LEARNED, device="meta")
    loss._weighted_loss(network, learned, ids[0, -LEARNED:], weights).backward()


def _network(model: str, layers: int) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.initialization import no_init_weights

    settings = {**MODELS[model], "num_hidden_layers": layers}
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    with torch.device("meta"), no_init_weights():
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)


def _quantize(network: Any) -> None:
    """What bitsandbytes makes of the network when it is loaded in NF4."""
    from bitsandbytes.functional import quantize_4bit
    from bitsandbytes.nn import Linear4bit, Params4bit

    for path, module in list(network.named_modules()):
        if not isinstance(module, torch.nn.Linear) or path == "lm_head":
            continue
        packed, state = quantize_4bit(module.weight.data, quant_type="nf4", compress_statistics=True)
        made = Linear4bit(
            module.in_features, module.out_features, bias=False, compute_dtype=torch.bfloat16, device="meta"
        )
        made.weight = Params4bit(
            packed, requires_grad=False, quant_state=state, quant_type="nf4", bnb_quantized=True
        )
        made.quant_state = state
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, made)
    network.is_loaded_in_4bit = network.is_quantized = True


def _stage(method: str, checkpointing: bool) -> Any:
    kind = "full" if method == "full" else "lora"
    return build("weights", {"kind": kind, "activation_checkpointing": checkpointing})


def _prepare(network: Any, method: str) -> None:
    if method == "full":
        network.requires_grad_(True)
        return
    from peft import LoraConfig

    from harness.models.layers.adapters import attach

    with torch.device("meta"):
        attach(network, LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=32, target_modules="all-linear"))


@contextlib.contextmanager
def _narrow(network: Any) -> Iterator[None]:
    """Adapters compute as on a GPU, which a network on the meta device says it is not on."""
    from harness.models.layers import narrow_lora
    from harness.models.patch_forward import replaced

    layers = [module for module in network.modules() if narrow_lora._is_narrow(module)]
    with replaced(layers, partial(narrow_lora._computed, narrow_lora._narrowed)):
        yield


@contextlib.contextmanager
def _on_meta() -> Iterator[None]:
    """What the meta device lacks: an attention kernel, Adam, and positions that can be read."""
    from transformers import masking_utils

    from harness.training import optimizer

    def attention(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> Tensor:
        out: Tensor = _Flash.apply(query, key, value)  # type: ignore[no-untyped-call]
        return out

    with (
        mock.patch.object(torch.nn.functional, "scaled_dot_product_attention", attention),
        mock.patch.object(masking_utils, "find_packed_sequence_indices", return_value=None),
        mock.patch.object(optimizer, "_adam", _Adam),
    ):
        yield


def _estimate(model: str, method: str, checkpointing: bool) -> float:
    sizes = _shape(MODELS[model])
    added = _added(MODELS[model]) if method != "full" else 0
    work = memory.Work(tokens=TOKENS, loss_tokens=LEARNED, rows=0, length=0, narrow=True)
    base = build("base", "nf4" if method == "qlora" else "plain")
    stage = _stage(method, checkpointing)
    return memory.training(sizes, base, "bfloat16", work, stage, added or sizes.parameters, added).total


def _shape(settings: dict[str, Any]) -> Shape:
    """As `harness.models.dimensions.shape`, of a configuration that is no file."""
    hidden, inner = settings["hidden_size"], settings["intermediate_size"]
    key_value = settings["num_key_value_heads"] * hidden // settings["num_attention_heads"]
    block = 2 * hidden * (hidden + key_value) + 3 * hidden * inner
    outputs = 2 * hidden + 2 * key_value + 2 * inner + hidden
    layers, vocabulary = settings["num_hidden_layers"], settings["vocab_size"]
    return Shape(
        parameters=layers * (block + 2 * hidden) + (2 * vocabulary + 1) * hidden,
        linear=layers * block,
        outputs=layers * outputs,
        layers=layers,
        hidden=hidden,
        query=hidden,
        key_value=key_value,
        intermediate=inner,
        vocabulary=vocabulary,
        context=TOKENS,
    )


def _added(settings: dict[str, Any]) -> int:
    """Parameters of an adapter on all seven linear layers of each block: rank × (inputs + outputs)."""
    hidden, inner = settings["hidden_size"], settings["intermediate_size"]
    key_value = settings["num_key_value_heads"] * hidden // settings["num_attention_heads"]
    ends = 4 * hidden + 2 * (hidden + key_value) + 3 * (hidden + inner)
    return int(settings["num_hidden_layers"] * RANK * ends)


def table(counts: Sequence[Count]) -> str:
    """The counts as a Markdown table."""
    lines = [
        "| model | method | activation checkpointing | estimated GB | counted GB | estimated / counted |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.model} | {one.method} | {'on' if one.checkpointing else 'off'} | {one.estimated / 1e9:.1f} | "
        f"{one.counted / 1e9:.1f} | {one.estimated / one.counted:.3f} |"
        for one in counts
    ]
    return "\n".join(lines)


def main() -> None:
    counts = [
        count(model, method, checkpointing)
        for model in MODELS
        for method in METHODS
        for checkpointing in (False, True)
    ]
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table(counts)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
