"""The loss of the tokens to learn; positions without a loss skip the output layer.

The network's body runs to its last hidden states; the output layer, a matrix as wide as the
vocabulary, is applied only to the positions that have a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import RunError
from harness.core.torch_types import Network
from harness.models.architecture import body_of
from harness.models.number_format import dtype_of
from harness.training.activation_checkpointing import recomputes
from harness.training.batching import Batch
from harness.training.logits_in_place import pays, summed_in_place
from harness.training.summed_loss import is_frozen, summed

if TYPE_CHECKING:
    import torch

_POSITIONS = 1024
"""Positions whose logits are in memory at a time; beyond that they are recomputed for the gradient."""


def response_loss(network: Network, batch: Batch) -> torch.Tensor:
    """The sum over positions of weight × negative log-likelihood, in nats; a float32 scalar."""
    hidden = hidden_states(network, batch)
    has_loss = batch.weights > 0
    return _weighted_loss(network, hidden[has_loss], batch.targets[has_loss], batch.weights[has_loss])


def hidden_states(network: Network, batch: Batch) -> torch.Tensor:
    """The last hidden states of `batch.ids`: [rows, length, width].

    No attention mask is needed: padding is on the right, where causal attention never looks, and
    transformers separates packed rows by their positions.
    """
    import torch

    from harness.training import shared_prefix_attention

    def of_body(ids: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = body_of(network)(input_ids=ids, use_cache=False, **more).last_hidden_state
        return states.to(ids.device)  # a network over several devices ends on another one

    if batch.positions is not None:
        return of_body(batch.ids, position_ids=batch.positions)
    if batch.prefix is None:
        return of_body(batch.ids)
    if recomputes(network):
        # A block that is recomputed for the gradient would use the network's own attention.
        whole = torch.cat([batch.prefix.expand(len(batch.rows), -1), batch.ids], dim=1)
        return of_body(whole)[:, batch.prefix.shape[1] :]
    return shared_prefix_attention.hidden_states(network, batch)


def head_logits(network: Network, hidden: torch.Tensor) -> torch.Tensor:
    """Float32 logits of hidden states: [positions, width] → [positions, vocabulary].

    Includes what architectures do after their output layer: Gemma's soft cap, Cohere's and Granite's scales.
    `check_network` detects an architecture that does anything else.
    """
    return _finished(network, network.get_output_embeddings()(hidden).to(hidden.device))


def _finished(network: Network, raw: torch.Tensor) -> torch.Tensor:
    import torch

    config, logits = network.config.get_text_config(), raw.float()
    if scale := getattr(config, "logit_scale", None):
        logits = logits * scale
    if divisor := getattr(config, "logits_scaling", None):
        logits = logits / divisor
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits


def check_network(network: Network, shared: Batch, whole: Batch) -> bool:
    """Whether a shared prefix gives this network the logits of its own forward pass.

    `shared` and `whole` hold the same rows, with and without a shared prefix.

    Raises:
        RunError: even without a shared prefix the logits are not the network's own.
    """
    import torch

    with torch.no_grad():
        has_loss = whole.weights > 0
        own = network(input_ids=whole.ids, use_cache=False).logits[has_loss].float()
        if not bool(own.isfinite().all()):
            raise RunError(
                f"{type(network).__name__} gives logits that are no numbers before it is trained: DoRA does so over a "
                "layer with rows of zeros, such as the embedding of a padding token"
            )
        tolerance = 1e-3 if dtype_of(network) == torch.float32 else 0.1
        try:
            hidden = hidden_states(network, shared)[shared.weights > 0]
            if _close(head_logits(network, hidden), own, tolerance):
                return True
        except (TypeError, ValueError, AttributeError, RuntimeError):
            if shared.prefix is None:
                raise
        if not _close(head_logits(network, hidden_states(network, whole)[has_loss]), own, tolerance):
            raise RunError(
                f"{type(network).__name__} changes its logits behind the output layer in a way that "
                "training does not know, so its loss would be wrong"
            )
        return False


def check_packing(network: Network, packed: Batch, whole: Batch) -> bool:
    """Whether packed rows give this network the same logits as the rows one by one."""
    import torch

    with torch.no_grad():
        expected = hidden_states(network, whole)[whole.weights > 0]
        try:
            packed_states = hidden_states(network, packed)[packed.weights > 0]
        except (TypeError, ValueError, AttributeError, RuntimeError):
            return False
        tolerance = 1e-3 if dtype_of(network) == torch.float32 else 0.1
        return _close(head_logits(network, packed_states), head_logits(network, expected), tolerance)


def _close(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    return bool((a - b).abs().mean() <= tolerance * b.std())


def _weighted_loss(
    network: Network, hidden: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    from torch.nn.functional import cross_entropy
    from torch.utils.checkpoint import checkpoint

    def of_logits(raw: torch.Tensor, t: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return (cross_entropy(_finished(network, raw), t, reduction="none") * w).sum()

    def part(h: torch.Tensor, t: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        raw = head(h).to(h.device)
        return summed_in_place(of_logits, raw, t, w) if in_place else of_logits(raw, t, w)

    head, in_place = network.get_output_embeddings(), False
    if is_frozen(head, hidden):
        return summed(part, hidden, targets, weights, network.config.get_text_config().vocab_size)
    in_place = pays(hidden)
    pieces = list(
        zip(hidden.split(_POSITIONS), targets.split(_POSITIONS), weights.split(_POSITIONS), strict=True)
    )
    if len(pieces) == 1:
        return part(*pieces[0])
    total: torch.Tensor = sum(checkpoint(part, *piece, use_reentrant=False) for piece in pieces)
    return total
