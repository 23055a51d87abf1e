"""Losses and logits of networks that are not decoders.

The loop's batches hold prompt and answer in one row, which is what a decoder reads. An encoder-decoder
reads the prompt on one side and the answer on the other. An encoder writes nothing: it gives labels
(`harness.training.pooled_head`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.protocols import Weights
from harness.core.torch_types import Network
from harness.models.architecture import ENCODER, ENCODER_DECODER, decoder_start, of, require
from harness.training.loss import response_loss
from harness.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

    from harness.training.batching import Batch
    from harness.training.gradient_accumulation import Loss


def answer_loss(network: Network) -> Loss:
    """The loss that trains a network of this architecture on answers."""
    return target_loss if of(network.config) is ENCODER_DECODER else response_loss


def check(model: str, network: Network, weights: Weights, settings: TrainingSettings) -> None:
    """Reject weights and settings that a network of this architecture does not support.

    Raises:
        ConfigError: the combination is not supported.
    """
    if require(model, network, weights) is not ENCODER_DECODER:
        return
    for name in ("prompt_loss_weight", "neftune_noise_alpha"):
        if getattr(settings, name):
            raise ConfigError(
                f"{name} is for decoders: '{model}' reads its prompts with an encoder",
                remedy=f"leave {name} at 0",
            )


def target_loss(network: Network, batch: Batch) -> torch.Tensor:
    """`training.gradient.Loss` of an encoder-decoder: that of its decoder on the answers, in nats.

    A row's prompt is everything before its first position with a loss.
    """
    import torch
    from torch.nn.functional import cross_entropy

    has_loss = batch.weights > 0
    prompts = has_loss.int().argmax(1) + 1
    answers = has_loss.sum(1)
    prompt_mask = _places(prompts)
    answer_mask = _places(answers)
    positions = (prompts[:, None] - 1 + torch.arange(answer_mask.shape[1], device=answer_mask.device)).clamp(
        max=batch.targets.shape[1] - 1
    )
    targets, weights = batch.targets.gather(1, positions), batch.weights.gather(1, positions) * answer_mask
    start = torch.full_like(targets[:, :1], decoder_start(network))
    logits = network(
        input_ids=batch.ids[:, : prompt_mask.shape[1]].masked_fill(~prompt_mask, 0),
        attention_mask=prompt_mask.long(),
        decoder_input_ids=torch.cat([start, targets[:, :-1]], 1),
        use_cache=False,
    ).logits
    losses = cross_entropy(logits[answer_mask].float(), targets[answer_mask], reduction="none")
    return (losses * weights[answer_mask]).sum()


def first_logits(network: Network, ids: Sequence[int]) -> torch.Tensor:
    """Float32 logits of the first token after a prompt, on the CPU; for an encoder, its labels' scores."""
    import torch

    kind, device = of(network.config), next(network.parameters()).device
    inputs: dict[str, object] = {"input_ids": torch.tensor([list(ids)], device=device)}
    if kind is ENCODER_DECODER:
        inputs["decoder_input_ids"] = torch.tensor([[decoder_start(network)]], device=device)
    if kind is not ENCODER:
        inputs["use_cache"] = False
    logits: torch.Tensor = network(**inputs).logits[0]
    return (logits if kind is ENCODER else logits[-1]).float().cpu()


def _places(lengths: torch.Tensor) -> torch.Tensor:
    """[rows, longest] booleans: the first `lengths[i]` positions of row i."""
    import torch

    return torch.arange(int(lengths.max()), device=lengths.device) < lengths[:, None]
