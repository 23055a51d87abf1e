"""A classification head for encoders: it replaces the last layer of transformers' own classification
network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from harness.core.errors import ConfigError
from harness.core.torch_types import Network
from harness.models.layers import blocks
from harness.training.batching import Batch
from harness.training.classification_head import Head


class PooledHead(Head):
    """Follows the encoder's own pooler; attention is bidirectional, so padding is masked."""

    def of_batch(self, network: Network, batch: Batch) -> Tensor:
        return self.of_prompts(network, batch.ids, (batch.weights > 0).int().argmax(1))

    def of_prompts(self, network: Network, ids: Tensor, last: Tensor) -> Tensor:
        mask = torch.arange(ids.shape[1], device=ids.device) <= last[:, None]
        scores: Tensor = network(input_ids=ids, attention_mask=mask.long()).logits
        return scores

    def moving(self, network: Network) -> Iterator[nn.Parameter]:
        return blocks.parameters_after_blocks(network)


def attach(network: Network, labels: Sequence[str]) -> None:
    """Replace the last linear layer after the encoder's body and name its outputs.

    Raises:
        ConfigError: there is no such layer.
    """
    body = {id(module) for module in network.base_model.modules()}
    layers = [
        (path, module)
        for path, module in network.named_modules()
        if id(module) not in body and isinstance(module, nn.Linear | Head)
    ]
    if not layers:
        raise ConfigError(f"{type(network).__name__} has no linear layer for labels behind its body")
    path, replaced = layers[-1]
    head = PooledHead(replaced.weight.shape[1], labels).to(network.device)
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, head)
    # Found under this name as on a decoder, but not registered as a second module: the weights have one name.
    network.__dict__["answer_head"] = head
    network.config.id2label = dict(enumerate(labels))
    network.config.label2id = {label: i for i, label in enumerate(labels)}
    network.num_labels = len(labels)
