"""A classification head: one score per label, computed from the last token of a decoder's prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from harness.core.torch_types import Network
from harness.training.batching import Batch
from harness.training.loss import hidden_states


class Head(nn.Module):
    """Float32 `weight` [labels, width] and `bias` [labels], initialized to zero, so that all labels start
    equally likely."""

    def __init__(self, width: int, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.weight = nn.Parameter(torch.zeros(len(labels), width))
        self.bias = nn.Parameter(torch.zeros(len(labels)))

    def forward(self, hidden: Tensor) -> Tensor:
        """[rows, width] → [rows, labels]."""
        return nn.functional.linear(hidden.float(), self.weight, self.bias)

    def of_batch(self, network: Network, batch: Batch) -> Tensor:
        """Scores [rows, labels] of a training batch, whose only loss per row is at the end of its prompt."""
        scores: Tensor = self(hidden_states(network, batch)[batch.weights > 0])
        return scores

    def of_prompts(self, network: Network, ids: Tensor, last: Tensor) -> Tensor:
        """The same for `ids` [rows, length], padded on the right; row i ends at position `last[i]`."""
        # Causal attention never looks at the padding.
        hidden = network.base_model(input_ids=ids, use_cache=False).last_hidden_state
        scores: Tensor = self(hidden[torch.arange(len(ids), device=ids.device), last])
        return scores

    def moving(self, network: Network) -> Iterable[nn.Parameter]:
        """The parameters that are always trained with the head."""
        return self.parameters()
