"""The network being trained: complete in every process, or sharded over all of them (FSDP2).

When it is sharded, a process keeps its part of every weight, gradient and optimizer state. A transformer
block's weights are gathered in every process while the block computes, and freed afterwards (ZeRO stage 3,
Rajbhandari et al. 2020, arXiv:1910.02054; Zhao et al. 2023, arXiv:2304.11277).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from harness.core.errors import ConfigError
from harness.core.torch_types import Layer, Network
from harness.models.layers.blocks import blocks
from harness.models.number_format import dtype_of
from harness.models.weights_elsewhere import has_no_weights
from harness.training.batching import Batch
from harness.training.distributed import ProcessGroup
from harness.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch
    from torch.distributed.device_mesh import DeviceMesh


class LocalModel:
    """A network that is trained directly, without a sharded copy."""

    divided = False
    settles_in_main_only = False
    """Whether other processes have no weights in the end, because they were given none."""
    notes: tuple[str, ...] = ()

    def __init__(self, network: Network) -> None:
        self.network = network

    def loss(self, loss: Callable[[Network, Batch], torch.Tensor], batch: Batch) -> torch.Tensor:
        """The loss of a batch; on a sharded network every process must call this equally often."""
        return loss(self.network, batch)

    @contextlib.contextmanager
    def gathered(self, here: bool) -> Iterator[None]:
        """Inside the `with` block the original network has the current weights, in processes that pass
        `here=True`. Every process must enter the block."""
        yield

    def settle(self) -> None:
        """Leave the current weights in the original network permanently."""


class ShardedModel(LocalModel):
    """Trains `network`, a sharded copy of the original; every process has a part of its weights.

    The original keeps its class and its modules, so that evaluating and saving need not know about sharding;
    it has weights only inside `gathered` and after `settle`.

    Raises:
        ConfigError: weights held in 4 or 8 bits.
    """

    divided = True

    def __init__(self, network: Network, group: ProcessGroup) -> None:
        from torch.distributed.device_mesh import init_device_mesh

        if getattr(network, "is_quantized", False):
            raise ConfigError(
                "weights held in 4 or 8 bits cannot be divided over processes",
                remedy="sharding: none, or base: plain",
            )
        self._given, self._group = network, group
        super().__init__(_twin(network))
        self.settles_in_main_only = lacking_somewhere(network, group)
        first = {name: parameter.detach() for name, parameter in self.network.named_parameters()}
        mesh = init_device_mesh(device_of(network).type, (group.size,))
        self._root = _divide(self.network, mesh)
        self._empty()
        if self.settles_in_main_only:
            self._receive(first)
        self.notes = (
            f"weights, gradients and optimizer states are divided over {group.size} processes;"
            " each row is computed whole",
        )

    def loss(self, loss: Callable[[Network, Batch], torch.Tensor], batch: Batch) -> torch.Tensor:
        value: torch.Tensor = self._root(loss, batch)
        return value

    @contextlib.contextmanager
    def gathered(self, here: bool) -> Iterator[None]:
        self._fill(here)
        try:
            yield
        finally:
            self._empty()

    def settle(self) -> None:
        self._fill(self._group.is_main or not self.settles_in_main_only)
        del self._root
        self.network = self._given

    def _receive(self, first: dict[str, torch.Tensor]) -> None:
        """Take this process's part of every weight that the main process has, one weight at a time."""
        import torch
        from torch.distributed.tensor import DTensor

        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                sharded = cast(DTensor, parameter.detach())
                weight = first.pop(name)
                if not self._group.is_main:
                    weight = torch.empty_like(weight, device=device_of(self._given))
                self._group.broadcast_tensors([weight])
                sharded.to_local().copy_(cast(DTensor, part(weight, sharded)).to_local())

    def _fill(self, here: bool) -> None:
        targets = dict(self._given.named_parameters())
        for name, part in self.network.named_parameters():
            sharded: Any = part.detach()  # a DTensor
            whole = sharded.full_tensor()
            if here:
                targets[name].data = whole

    def _empty(self) -> None:
        for parameter in self._given.parameters():
            parameter.data = parameter.data.new_empty(0)


def learner(network: Network, settings: TrainingSettings, group: ProcessGroup) -> LocalModel:
    """The network, sharded over the processes if the settings say so and there are several.

    Raises:
        ConfigError: something that cannot be sharded.
    """
    if group.size == 1 or settings.sharding == "none":
        return LocalModel(network)
    if settings.optim != "adamw":
        raise ConfigError(
            f"optim {settings.optim} cannot be divided over processes",
            remedy="sharding: none, or optim: adamw",
        )
    return ShardedModel(network, group)


def lacking_somewhere(network: Network, group: ProcessGroup) -> bool:
    """Whether a process of the group has built the network without weights; every process must call this."""
    return any(group.all_gather(has_no_weights(network)))


def device_of(network: Network) -> torch.device:
    """Where a network is trained; one without weights of its own is trained where the main process's is."""
    import torch

    if has_no_weights(network) and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return next(network.parameters()).device


def whole(state: Any, here: bool = True) -> Any:
    """`state`, nested, with whole tensors in place of sharded ones, on the CPU if they were sharded.

    Every process must call this; the processes that do not want them `here` get None instead.
    """
    if isinstance(state, dict):
        return {name: whole(value, here) for name, value in state.items()}
    if isinstance(state, list):
        return [whole(value, here) for value in state]
    if not hasattr(state, "full_tensor"):
        return state
    full = state.full_tensor()
    return full.cpu() if here else None


def part(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The part of a whole tensor that this process has of `like`."""
    mesh, placements = getattr(like, "device_mesh", None), getattr(like, "placements", None)
    if mesh is None or placements is None:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), mesh, placements, src_data_rank=None)


def _twin(network: Network) -> Network:
    """A copy of the network's modules around the same parameters."""
    return copy.deepcopy(network, {id(parameter): parameter for parameter in network.parameters()})


def _divide(network: Network, mesh: DeviceMesh) -> torch.nn.Module:
    """Shard the blocks, then everything outside them; return a module that computes losses.

    Losses call parts of a network, not the network, and FSDP2 recognizes the beginning and end of a pass
    by the outermost module's call, so that module wraps the loss. Gradients are added up, not
    averaged, because a step's loss is divided by the weight of all its tokens.
    """
    import torch
    from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

    class Root(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, loss: Callable[[Network, Batch], torch.Tensor], batch: Batch) -> torch.Tensor:
            value: torch.Tensor = loss(self.network, batch)
            return value

    root = Root()
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float32)
    for module in (*blocks(network), *_of_other_types(network), root):
        fully_shard(module, mesh=mesh, mp_policy=policy)
    for module in root.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            # gloo has no operation that sums and scales at once.
            module.set_force_sum_reduction_for_comms(True)
    return root


def _of_other_types(network: Network) -> Iterator[Layer]:
    """Modules outside the blocks whose trained weights have another number format than the rest there: a
    float32 head beside a bfloat16 norm. FSDP2 sums gradients in groups of one format."""
    inside = {id(module) for block in blocks(network) for module in block.modules()}
    learned = [
        (module, parameter.dtype)
        for module in network.modules()
        if id(module) not in inside
        for parameter in module.parameters(recurse=False)
        if parameter.requires_grad
    ]
    if len({dtype for _, dtype in learned}) > 1:
        yield from dict.fromkeys(module for module, dtype in learned if dtype != dtype_of(network))
