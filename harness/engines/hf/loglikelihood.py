"""Log-probabilities of continuations; prefixes that their contexts share are computed once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.torch_types import Network
from harness.engines.hf.forward_pass import forward
from harness.engines.hf.pass_budget import PassBudget, in_passes
from harness.engines.hf.prefill import Prefill
from harness.engines.hf.prefix_tree import Piece, PrefixPlan, plan
from harness.engines.hf.shared_prefix_backend import compute_nodes

_WORTH_SHARING = 64
"""Tokens that a shared prefix must save; no decoding steps pay for it."""

Pair = tuple[list[int], list[int]]


def score(
    network: Network, pairs: Sequence[Pair], *, budget: PassBudget, shares: bool
) -> list[tuple[float, bool]]:
    """For each (context, continuation): sum of log-probabilities in nats, and whether greedy.

    A pass takes what `budget` says, which is halved where memory runs out.

    Raises:
        RunError: memory runs out with a single pair.
    """
    # The last token is predicted, never read.
    sequences = [[*context, *continuation[:-1]] for context, continuation in pairs]
    limits = [len(context) - 1 for context, _ in pairs]
    tree = plan(sequences, limits, _WORTH_SHARING) if shares else _apart(sequences)
    scores: list[tuple[float, bool]] = [(0.0, False)] * len(pairs)

    def judged(members: list[int]) -> None:
        logits = (
            _shared(network, tree, sequences, limits, members, budget)
            if shares
            else _padded(network, sequences, limits, members, budget)
        )
        judgments = [judge(rows, pairs[i][1]) for i, rows in zip(members, logits, strict=True)]
        for i, judgment in zip(members, judgments, strict=True):
            scores[i] = judgment
            _let_go(tree, i)

    in_passes(tree.order, [len(sequences[i]) - _start(tree, i) for i in tree.order], budget, judged)
    return scores


def judge(logits: Tensor, continuation: Sequence[int]) -> tuple[float, bool]:
    """The sum of a continuation's log-probabilities, and whether it is greedy; `logits` [tokens, vocabulary]."""
    logits = logits.float()
    targets = torch.tensor(continuation, device=logits.device)
    chosen = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)
    return float(chosen.double().sum()), bool((logits.argmax(-1) == targets).all())


def _shared(
    network: Network,
    tree: PrefixPlan,
    sequences: Sequence[list[int]],
    limits: Sequence[int],
    members: Sequence[int],
    budget: PassBudget,
) -> list[Tensor]:
    """Logits [continuation, vocabulary] of each member, from one packed pass."""
    compute_nodes(network, [tree.leaf[i] for i in members], budget)
    starts = [_start(tree, i) for i in members]
    pieces = [
        Piece(sequences[i][start:], start, tree.leaf[i]) for i, start in zip(members, starts, strict=True)
    ]
    budget.begin([len(piece.tokens) for piece in pieces])
    run = Prefill(pieces, network.device)
    keep: list[int] = []
    sizes: list[int] = []
    for i, start, end, length in zip(members, starts, run.ends, run.lengths, strict=True):
        keep.extend(range(end - length + limits[i] - start, end))
        sizes.append(len(sequences[i]) - limits[i])
    return list(forward(network, run, torch.tensor(keep, device=network.device)).split(sizes))


def _padded(
    network: Network,
    sequences: Sequence[list[int]],
    limits: Sequence[int],
    members: Sequence[int],
    budget: PassBudget,
) -> list[Tensor]:
    """The same from right-padded rows: what stands after a token has no effect on it."""
    longest = max(len(sequences[i]) for i in members)
    budget.begin([longest] * len(members))
    ids = torch.tensor(
        [sequences[i] + [0] * (longest - len(sequences[i])) for i in members], device=network.device
    )
    mask = torch.tensor(
        [[1] * len(sequences[i]) + [0] * (longest - len(sequences[i])) for i in members],
        device=network.device,
    )
    logits = network(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return [logits[row, limits[i] : len(sequences[i])] for row, i in enumerate(members)]


def _apart(sequences: Sequence[list[int]]) -> PrefixPlan:
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    return PrefixPlan(leaf=(None,) * len(sequences), order=tuple(order))


def _start(tree: PrefixPlan, i: int) -> int:
    node = tree.leaf[i]
    return 0 if node is None else node.end


def _let_go(tree: PrefixPlan, i: int) -> None:
    node = tree.leaf[i]
    if node is not None:
        node.release()
