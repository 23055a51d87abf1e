"""Recall@k: how much of the gold context was retrieved."""

from __future__ import annotations

from collections.abc import Sequence


def recall_at_k(found: Sequence[str], gold: Sequence[str]) -> float:
    """Share of the gold documents that are among the `found` ones; `gold` must not be empty."""
    wanted = set(gold)
    return len(wanted & set(found)) / len(wanted)
