"""Preference pairs and their loss: how much more likely the better answer is than under the reference.

Rafailov et al. 2023, https://arxiv.org/abs/2305.18290; ipo: Azar et al. 2023,
https://arxiv.org/abs/2310.12036, normalized by length as its authors advise; hinge: Zhao et al.
2023, https://arxiv.org/abs/2305.10425.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from harness.core.protocols import Chat
from harness.core.torch_types import Network
from harness.core.values import TrainingExample
from harness.training.batching import Batch, collate
from harness.training.loss import check_network, head_logits, hidden_states
from harness.training.tokenized import TokenizedExample, to_row

LossType = Literal["sigmoid", "ipo", "hinge"]


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt, tokenized."""

    chosen: TokenizedExample
    rejected: TokenizedExample

    @property
    def key(self) -> TokenizedExample:
        """The row that stands for the pair in the training loop: as long as the two together, with
        one loss."""
        ids = (*self.chosen.ids, *self.rejected.ids)
        return TokenizedExample(self.chosen.id, ids, (*(0.0,) * (len(ids) - 1), 1.0))


def pairs(
    examples: Sequence[TrainingExample], chat: Chat, longest: int, first: int = 0
) -> tuple[list[Pair], tuple[str, ...], tuple[str, ...]]:
    """Pairs of training examples with a rejected answer; ids of those too long, and of those whose two answers
    are the same. Pairs are numbered from `first`, so that every one has a unique name."""
    kept: list[Pair] = []
    long, same = [], []
    for number, example in enumerate(examples, first):
        if example.rejected is None:
            continue
        if example.rejected == example.answer:
            same.append(example.id)
            continue
        name = f"{example.id}#{number}"
        worse = TrainingExample(id=name, messages=example.messages, answer=example.rejected)
        better = TrainingExample(id=name, messages=example.messages, answer=example.answer)
        pair = Pair(to_row(better, chat), to_row(worse, chat))
        if max(len(pair.chosen), len(pair.rejected)) > longest:
            long.append(example.id)
        else:
            kept.append(pair)
    return kept, tuple(long), tuple(same)


def answer_logps(network: Network, rows: Sequence[TokenizedExample], share_prefix: bool) -> Tensor:
    """Log-probability of each row's answer given its prompt, in nats: [rows], float32."""
    batch = collate(rows, next(network.parameters()).device, share_prefix)
    has_loss = batch.weights > 0
    logits = head_logits(network, hidden_states(network, batch)[has_loss])
    logps = -cross_entropy(logits, batch.targets[has_loss], reduction="none")
    row = has_loss.nonzero()[:, 0]
    return torch.zeros(len(rows), device=logps.device).index_add(0, row, logps)


def shares_prefix(network: Network, pairs: Sequence[Pair]) -> bool:
    """Whether this network can compute the shared prefix of several rows once."""
    if not pairs:
        return False
    rows = [pairs[0].chosen, pairs[0].rejected]
    device = next(network.parameters()).device
    network.eval()
    return check_network(network, collate(rows, device, True), collate(rows, device, False))


def reference(
    network: Network, pairs: Sequence[Pair], size: int, share: bool
) -> dict[str, tuple[float, float]]:
    """Log-probabilities of both answers of each pair under the current network, by id."""
    network.eval()
    by_id: dict[str, tuple[float, float]] = {}
    ordered = sorted(pairs, key=lambda pair: len(pair.key))
    with torch.no_grad():
        for start in range(0, len(ordered), size):
            batch = ordered[start : start + size]
            logps = answer_logps(network, [p.chosen for p in batch] + [p.rejected for p in batch], share)
            better, worse = logps.chunk(2)
            by_id |= {p.chosen.id: (float(b), float(w)) for p, b, w in zip(batch, better, worse, strict=True)}
    return by_id


@dataclass(frozen=True)
class PreferenceLoss:
    """`training.loop.Loss` over the keys of pairs: the sum over pairs of the preference loss.

    `reference` holds the log-probabilities before training; no second network is kept.
    """

    pairs: Mapping[str, Pair]
    reference: Mapping[str, tuple[float, float]]
    beta: float
    loss_type: LossType
    label_smoothing: float
    share_prefix: bool

    def __call__(self, network: Network, batch: Batch) -> Tensor:
        batch_pairs = [self.pairs[name] for name in batch.rows]
        logps = answer_logps(
            network, [p.chosen for p in batch_pairs] + [p.rejected for p in batch_pairs], self.share_prefix
        )
        reference = torch.tensor([self.reference[name] for name in batch.rows], device=logps.device)
        better, worse = (logps.chunk(2)[i] - reference[:, i] for i in range(2))
        return self.of(better, worse, batch_pairs).sum()

    def of(self, better: Tensor, worse: Tensor, batch_pairs: Sequence[Pair]) -> Tensor:
        """The loss of each pair from its two log-ratios to the reference."""
        if self.loss_type == "ipo":
            lengths = [[_answer_length(p.chosen), _answer_length(p.rejected)] for p in batch_pairs]
            size = torch.tensor(lengths, device=better.device)
            return (better / size[:, 0] - worse / size[:, 1] - 1 / (2 * self.beta)) ** 2
        margin = self.beta * (better - worse)
        if self.loss_type == "hinge":
            return torch.relu(1 - margin)
        smooth = self.label_smoothing
        return -(1 - smooth) * logsigmoid(margin) - smooth * logsigmoid(-margin)


def _answer_length(row: TokenizedExample) -> int:
    return sum(1 for weight in row.weights if weight)
