"""Which rows make up an optimizer step, and their tensors.

Rows of similar length share a step to keep padding low. If the rows of a
batch begin with the same tokens (a task's instructions, the same shots), that prefix is kept
once: the network computes it once, and the loss and its gradients do not change.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.sequences import common_prefix_length
from harness.training.tokenized import TokenizedExample

if TYPE_CHECKING:
    import torch

_GROUPED_STEPS = 16
"""Rows are sorted by length within this many steps: more steps save padding, fewer mix better."""
_SHORTEST_PREFIX = 8
"""Below this many tokens a second pass through the network costs more than it saves."""


@dataclass(frozen=True)
class Batch:
    """Rows computed together, padded on the right.

    `ids`, `targets` and `weights` are [rows, length]: position t reads `ids[:, t]` and predicts
    `targets[:, t]` with loss weight `weights[:, t]` (zero on padding). `prefix` is [1, p], the
    tokens that all rows begin with, or None. `tokens` counts every row's own tokens, shared
    ones included and padding left out.
    """

    rows: tuple[str, ...]
    ids: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    prefix: torch.Tensor | None
    tokens: int
    positions: torch.Tensor | None = None
    """Packed rows only: [1, length], each token's position in its own row. Rows are laid end to end; a
    position that does not follow the previous one starts a new row."""


def step_count(rows: int, step_size: int, epochs: float) -> int:
    """Optimizer steps of a training run; at least one."""
    return max(1, math.ceil(math.ceil(rows / step_size) * epochs))


def plan(lengths: Sequence[int], batch_size: int, accumulation: int, seed: int) -> list[list[list[int]]]:
    """The steps of one epoch, each a list of batches of row positions.

    The rows of a step depend on `batch_size * accumulation` only, so that accumulation gives
    the gradient of the large batch.
    """
    generator = random.Random(seed)
    order = list(range(len(lengths)))
    generator.shuffle(order)
    size = batch_size * accumulation
    steps = [
        chunk
        for group in _cut(order, size * _GROUPED_STEPS)
        for chunk in _cut(sorted(group, key=lambda i: lengths[i]), size)
    ]
    generator.shuffle(steps)
    return [_cut(step, batch_size) for step in steps]


def in_order(rows: int, step_size: int) -> list[list[list[int]]]:
    """The steps of one epoch in the order of the rows, as a curriculum needs."""
    return [[chunk] for chunk in _cut(list(range(rows)), step_size)]


def collate(
    rows: Sequence[TokenizedExample], device: str | torch.device = "cpu", share_prefix: bool = True
) -> Batch:
    """The tensors of some rows. The last token of a row predicts nothing and is not computed."""
    import torch

    shared = prefix_length(rows) if share_prefix else 0
    length = max(len(row) for row in rows) - 1 - shared
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.zeros_like(ids)
    weights = torch.zeros(len(rows), length)
    for i, row in enumerate(rows):
        end = len(row) - 1 - shared
        ids[i, :end] = torch.tensor(row.ids[shared:-1])
        targets[i, :end] = torch.tensor(row.ids[shared + 1 :])
        weights[i, :end] = torch.tensor(row.weights[shared + 1 :])
    prefix = torch.tensor([rows[0].ids[:shared]], device=device) if shared else None
    return Batch(
        rows=tuple(row.id for row in rows),
        ids=ids.to(device),
        targets=targets.to(device),
        weights=weights.to(device),
        prefix=prefix,
        tokens=sum(len(row) for row in rows),
    )


def pack(rows: Sequence[TokenizedExample], device: str | torch.device = "cpu") -> Batch:
    """Some rows end to end in one sequence without padding."""
    import torch

    def joined(parts: Iterable[Iterable[float]]) -> list[float]:
        return [item for part in parts for item in part]

    def tensor(values: list[float], dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor([values], dtype=dtype, device=device)

    return Batch(
        rows=tuple(row.id for row in rows),
        ids=tensor(joined(row.ids[:-1] for row in rows), torch.long),
        targets=tensor(joined(row.ids[1:] for row in rows), torch.long),
        weights=tensor(joined(row.weights[1:] for row in rows), torch.float32),
        prefix=None,
        tokens=sum(len(row) for row in rows),
        positions=tensor(joined(range(len(row) - 1) for row in rows), torch.long),
    )


def prefix_length(rows: Sequence[TokenizedExample]) -> int:
    """Length of the prefix that all rows share, ending before the first position with a loss."""
    if len(rows) < 2:
        return 0
    first, last = min(row.ids for row in rows), max(row.ids for row in rows)
    first_loss = min(next((i for i, w in enumerate(row.weights) if i and w), len(row)) for row in rows)
    shared = min(common_prefix_length(first, last), first_loss - 1)
    return shared if shared >= _SHORTEST_PREFIX else 0


def _cut(items: list[int], size: int) -> list[list[int]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
