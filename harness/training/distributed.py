"""Data-parallel training: several processes train one network, each on its share of every step (torchrun,
accelerate).

Every process computes a share of each step's rows, and gradients are added up over all processes
(data parallelism, Li et al. 2020, arXiv:2006.15704). The rows of a step do not depend on how many
processes there are, so neither does the result. `training.fsdp` shards the network as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from harness.core.errors import ConfigError, RunError

if TYPE_CHECKING:
    import torch

_PATIENCE = timedelta(days=1)
"""How long a process waits for the main one, which answers test examples between training stages."""
_FLAT = 2**24
"""Elements sent at a time: 64 MB of float32."""


Item = TypeVar("Item")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training run; with a single process every method is a no-op."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the main process, the one that evaluates, reports and writes."""
        return self.rank == 0

    def share(self, rows: Sequence[Item]) -> Sequence[Item]:
        """This process's rows of a step, every `size`-th, so that lengths are spread evenly."""
        return rows[self.rank :: self.size]

    def all_reduce_sum(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over the processes."""
        import torch
        from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

        if self.size == 1:
            return
        for part in _parts(tensors):
            flat = _flatten_dense_tensors(part)
            torch.distributed.all_reduce(flat)
            for tensor, value in zip(part, _unflatten_dense_tensors(flat, part), strict=True):
                tensor.copy_(value)

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sum gradients over the processes; a process without rows contributes zeros."""
        import torch

        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.all_reduce_sum([parameter.grad for parameter in parameters if parameter.grad is not None])

    def total(self, value: float, device: torch.device) -> float:
        """The sum of a number over the processes."""
        import torch

        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float32, device=device)
        torch.distributed.all_reduce(tensor)
        return float(tensor)

    def broadcast(self, compute: Callable[[], Item]) -> Item:
        """Compute a value in the main process and return it in every process."""
        import torch

        if self.size == 1:
            return compute()
        box = [compute() if self.is_main else None]
        torch.distributed.broadcast_object_list(box, src=0)
        return cast(Item, box[0])

    def assert_same(self, value: object) -> None:
        """Check that a value is the same in every process.

        Raises:
            RunError: this process's value differs from the main process's.
        """
        if self.broadcast(lambda: value) != value:
            raise RunError(f"process {self.rank} would not learn from the same rows as the first one")

    def all_gather(self, value: Item) -> list[Item]:
        """Every process's value, in order of rank."""
        import torch

        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def synchronize_start(self, parameters: Sequence[torch.Tensor], seed: int) -> None:
        """Start from the main process's weights, with a random seed per process."""
        import torch

        if self.size > 1:
            self.broadcast_tensors(parameters)
            torch.manual_seed(seed * 1_000_003 + self.rank)

    def broadcast_tensors(self, tensors: Sequence[torch.Tensor]) -> None:
        """Copy the main process's values into every process."""
        import torch

        if self.size > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor.detach(), src=0)


ALONE = ProcessGroup()
"""The group of a process that trains by itself."""


def started() -> int:
    """Number of processes that torchrun or `accelerate launch` started, this one included.

    Raises:
        ConfigError: `accelerate launch --cpu` was asked for several, and started one, or started several
            with mpirun that do not know about each other.
    """
    named = {"WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"}
    if named <= os.environ.keys():
        return int(os.environ["WORLD_SIZE"])
    # Accelerate names a port for several processes only, and has no ranks without torchrun.
    if os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_PORT" in os.environ:
        raise ConfigError(
            "`accelerate launch --cpu` does not start several processes that know of each other",
            remedy="accelerate launch --multi_gpu --num_processes N, which works without a GPU too",
        )
    return 1


def group() -> ProcessGroup:
    """The process group this process was started in, or a group of one."""
    if started() == 1:
        return ALONE
    import torch

    if not torch.distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    return ProcessGroup(rank=torch.distributed.get_rank(), size=torch.distributed.get_world_size())


def _parts(tensors: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
    parts: list[list[torch.Tensor]] = []
    room = 0
    for tensor in tensors:
        if not parts or tensor.numel() > room:
            parts.append([])
            room = _FLAT
        parts[-1].append(tensor)
        room -= tensor.numel()
    return parts
