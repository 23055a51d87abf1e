"""Whether shared-prefix attention gives the right results for a network, tested on the network itself."""

from __future__ import annotations

import logging

import torch

from harness.core.torch_types import Network
from harness.engines.hf.forward_pass import forward
from harness.engines.hf.pass_budget import PassBudget
from harness.engines.hf.prefill import Prefill
from harness.engines.hf.prefix_tree import Node, Piece
from harness.engines.hf.serving_mode import NAME, serving, why_not_shared
from harness.engines.hf.shared_prefix_backend import compute_nodes
from harness.models.architecture import base_of
from harness.models.number_format import dtype_of

logger = logging.getLogger("harness.engines")


def supports(network: Network) -> bool:
    """Whether a shared prefix gives the logits of a plain forward pass; logs the reason if not.

    Two short sequences with a common prefix are computed both ways, so that an unknown architecture is
    judged by its behavior, not by its name.
    """
    reason = why_not_shared(network) or _differs(network)
    if reason is not None:
        kind = base_of(network).config.model_type
        logger.warning("shared-prefix attention is off for this %s model: %s", kind, reason)
    return reason is None


def _differs(network: Network) -> str | None:
    size = min(base_of(network).config.get_text_config().vocab_size, 97)
    ids = [(7 * i + 3) % size for i in range(12)]
    whole = [ids[:9], [*ids[:6], *ids[8:], *ids[3:5]]]
    node = Node(tokens=tuple(ids[:6]), start=0, parent=None, rows=2)
    device = network.device
    try:
        with serving(network, None):
            plain = [
                network(torch.tensor([one], device=device), use_cache=False).logits[0, -1] for one in whole
            ]
        with serving(network, NAME):
            compute_nodes(network, [node], budget=PassBudget(len(ids)))
            run = Prefill([Piece(one[6:], 6, node) for one in whole], device)
            ours = forward(network, run, torch.tensor(run.ends, device=device) - 1)
    except Exception as error:  # whatever an unknown network raises, the plain path remains
        return f"{type(error).__name__}: {error}"
    expected, actual = torch.stack(plain).float(), ours.float()
    # bfloat16 keeps 8 bits: over many layers the two ways differ by a few per cent of the largest logit.
    allowed = 1e-3 if dtype_of(network) == torch.float32 else 0.1
    gap = ((actual - expected).abs().max() / expected.abs().max()).item()
    return None if gap <= allowed else f"its logits would differ by {gap:.2g} of the largest"
