"""What a weights kind has put into a network besides changed weights."""

from __future__ import annotations

from typing import Any


def classification_head(network: Any) -> Any | None:
    """The head that gives labels instead of text (`harness.training.classification_head.Head`), or None."""
    return getattr(network, "answer_head", None)


def learnt_prefix(network: Any) -> Any | None:
    """The keys and values that every layer sees in front of the text (`layers.prefix.Prefix`), or None."""
    return getattr(network, "learnt_prefix", None)
