"""Rows with shared prefixes: one copy of what many prompts have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harness.core.torch_types import Network
from harness.engines.hf.decode import Decode
from harness.engines.hf.forward_pass import forward
from harness.engines.hf.kv_cache import Store
from harness.engines.hf.pass_budget import PassBudget, batches
from harness.engines.hf.prefill import Prefill, Sink
from harness.engines.hf.prefix_memory import PrefixMemory
from harness.engines.hf.prefix_tree import Node
from harness.engines.hf.sequence import DecodingSequence


class SharedBackend:
    """Room for `rows` active rows of `length` own tokens; a pass takes what `budget` says, and `prefixes` remembers
    what it computes of whole beginnings."""

    refills = True

    def __init__(
        self,
        network: Network,
        rows: int,
        length: int,
        budget: PassBudget,
        prefixes: PrefixMemory | None = None,
    ) -> None:
        self.network, self.device, self.budget = network, network.device, budget
        self.prefixes = prefixes
        self.room = Store(rows, length)
        self.active: list[DecodingSequence] = []

    def add(self, rows: Sequence[DecodingSequence]) -> Tensor:
        """Compute the own tokens of new rows; logits [rows, vocabulary] of what comes next."""
        compute_nodes(self.network, [row.node for row in rows], self.budget)
        if self.prefixes is not None:
            self.prefixes.keep(dict.fromkeys(row.node.chain()[0] for row in rows if row.node is not None))
        logits = []
        tails = [row.tail() for row in rows]
        for batch in batches([len(tail.tokens) for tail in tails], self.budget.tokens):
            run = Prefill([tails[i] for i in batch], self.device)
            self.budget.begin(run.lengths)
            first = len(self.active)
            self.active.extend(rows[i] for i in batch)
            run.sink = self._sink(run, first)
            logits.append(forward(self.network, run, torch.tensor(run.ends, device=self.device) - 1))
            for index in range(first, len(self.active)):
                self._copy_nodes(index)
        return torch.cat(logits)

    def step(self) -> Tensor:
        """Compute the newest token of every active row; logits of what comes next."""
        rows = self.active
        run = Decode(
            [row.generated_ids[-1] for row in rows],
            [row.in_place for row in rows],
            [row.length() for row in rows],
            self.room,
            self.device,
        )
        return forward(self.network, run, torch.arange(len(rows), device=self.device))

    def remove(self, done: Sequence[DecodingSequence]) -> None:
        """Remove rows; the last active rows move into the gaps."""
        for row in done:
            index = self.active.index(row)
            last = self.active.pop()
            if last is not row:
                self.room.move(len(self.active), index, last.length())
                self.active[index] = last

    def _sink(self, run: Prefill, first: int) -> Sink:
        rows = run.rows + first
        slots = run.places + torch.tensor(run.before, device=self.device)[run.rows]
        return lambda layer, key, value: self.room.write(layer, rows, slots, key, value)

    def _copy_nodes(self, index: int) -> None:
        """Put the nodes that the active row at `index` does not read in place before its own tokens."""
        row = self.active[index]
        for node in row.copied:
            self.room.copy(index, node.start - row.start, node.keys, node.values)


def compute_nodes(network: Network, leaves: Sequence[Node | None], budget: PassBudget) -> None:
    """Keys and values of all nodes above `leaves` that have none yet, level by level."""
    chains = [leaf.chain() for leaf in leaves if leaf is not None]
    for level in range(max(map(len, chains), default=0)):
        wanted = dict.fromkeys(chain[level] for chain in chains if len(chain) > level)
        nodes = [node for node in wanted if not node.keys]
        lengths = [len(node.rest().tokens) for node in nodes]
        for batch in batches(lengths, budget.tokens):
            budget.begin([lengths[i] for i in batch])
            _compute(network, [nodes[i] for i in batch])


def _compute(network: Network, nodes: Sequence[Node]) -> None:
    keys: list[dict[int, Tensor]] = [{} for _ in nodes]
    values: list[dict[int, Tensor]] = [{} for _ in nodes]
    run = Prefill([node.rest() for node in nodes], network.device)

    def sink(layer: int, key: Tensor, value: Tensor) -> None:
        for i, (end, length) in enumerate(zip(run.ends, run.lengths, strict=True)):
            keys[i][layer] = key[:, end - length : end].clone()
            values[i][layer] = value[:, end - length : end].clone()

    run.sink = sink
    forward(network, run, torch.tensor([len(run.ids) - 1], device=network.device))
    # Only now: a pass that ran out of memory halfway must leave no half-computed node.
    for node, key, value in zip(nodes, keys, values, strict=True):
        node.keys, node.values = (
            (key, value)
            if node.begun is None
            else (_joined(node.begun.keys, key), _joined(node.begun.values, value))
        )
        node.begun = None


def _joined(first: Mapping[int, Tensor], rest: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """[heads, tokens, size] of every layer, one after the other."""
    return {layer: torch.cat([first[layer], states], 1) for layer, states in rest.items()}
