"""The logits that parity checks compare: the trained network's, computed once, and an export's. Both are in float32, one
transformer block at a time where the network allows it, so memory holds no network in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import HarnessError
from harness.core.protocols import LanguageModel
from harness.core.torch_types import Network
from harness.models.architecture import DECODER, of
from harness.models.layers import exported, plain_layers
from harness.models.layers.block_by_block import block_by_block
from harness.models.layers.exported_by_blocks import by_blocks
from harness.models.layers.out_of_memory import is_out_of_memory, release
from harness.models.layers.widened import in_float32, modules_in_float32
from harness.models.number_format import is_float32
from harness.training.encoder_decoder_loss import first_logits
from harness.training.parity_layers import mean_difference

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-3
"""Largest mean difference of the logits of all positions, as a share of their spread; both are float32."""
_REFUSED = (RuntimeError, ValueError, TypeError, AttributeError, LookupError, HarnessError)
"""What a network that cannot be computed block by block raises: a block reads another's weights."""


class TrainedLogits:
    """A trained network's logits of a prompt in float32, computed once for all checks that compare with them."""

    def __init__(self, model: LanguageModel, ids: Sequence[int]) -> None:
        self.network, self.ids = model.network, ids

    @cached_property
    def all(self) -> torch.Tensor:
        """[tokens, vocabulary] for a decoder, else [outputs]; the network comes back bit for bit."""
        with plain_layers.unrounded_inputs(self.network):
            return logits_in_float32(self.network, self.ids)

    @property
    def as_answered(self) -> torch.Tensor:
        """[vocabulary]: the next token's logits in the number format that the network answers in."""
        import torch

        network = self.network
        quantized = any(plain_layers.quantization(module) for module in network.modules())
        if of(network.config) is DECODER and is_float32(network) and not quantized:
            return self.all[-1]
        network.eval()
        with torch.no_grad():
            return first_logits(network, self.ids)


def export_difference(
    computed: TrainedLogits,
    device: str | None,
    finished: Callable[[Network], Network] = lambda network: network,
    *,
    adapters: bool = True,
) -> float:
    """Mean difference between the logits of the trained network and of its export, as a share of their spread.

    The export is computed block by block; what that refuses is compared once more with both networks whole, which decides.

    Args:
        computed: the trained network's logits.
        device: where the export is put; None: where the trained network is.
        finished: what is put over the exported network before it is asked.
        adapters: see `exported.rebuilt`.

    Raises:
        RunError: the export cannot be loaded.
    """
    import torch

    network, ids, trained = computed.network, computed.ids, computed.all
    with plain_layers.unrounded_inputs(network):
        try:
            made = by_blocks(network, adapters=adapters, device=device)
            with block_by_block(made.network, made.weights):
                difference = mean_difference(trained, logits(finished(made.network), ids))
            if difference <= TOLERANCE:
                return difference
        except _REFUSED as error:
            if is_out_of_memory(error):
                raise
        release()
        whole = exported.rebuilt(network, adapters=adapters, device=device, dtype=torch.float32)
        answered = logits(finished(whole), ids)
        difference = mean_difference(trained, answered)
        if difference > TOLERANCE:
            with in_float32(network):
                difference = mean_difference(logits(network, ids), answered)
        return difference


def logits_in_float32(network: Network, ids: Sequence[int], mode: bool | None = False) -> torch.Tensor:
    """`logits` of a network that computes in float32 meanwhile, and comes back bit for bit."""
    try:
        with block_by_block(network, modules_in_float32):
            return logits(network, ids, mode)
    except _REFUSED as error:
        if is_float32(network) or is_out_of_memory(error):
            raise
    with in_float32(network):
        return logits(network, ids, mode)


def logits(network: Network, ids: Sequence[int], mode: bool | None = False) -> torch.Tensor:
    """Float32 logits on the CPU: of every position for a decoder, else of the first output.

    Args:
        mode: whether in training mode; None: the network's current mode.
    """
    import torch

    if mode is not None:
        network.train(mode)
    with torch.no_grad():
        if of(network.config) is not DECODER:
            return first_logits(network, ids)
        asked = torch.tensor([list(ids)], device=network.device)
        whole: torch.Tensor = network(input_ids=asked, use_cache=False).logits
        return whole[0].float().cpu()
