"""What a weights kind has put into a network besides changed weights."""

from __future__ import annotations

from harness.core.torch_types import Layer, Network


def classification_head(network: Network) -> Layer | None:
    """The head that gives labels instead of text (`harness.training.classification_head.Head`), or None."""
    head: Layer | None = getattr(network, "answer_head", None)
    return head


def learnt_prefix(network: Network) -> Layer | None:
    """The keys and values that every layer sees in front of the text (`layers.prefix.Prefix`), or None."""
    prefix: Layer | None = getattr(network, "learnt_prefix", None)
    return prefix
