"""Arithmetic on sequences of tokens and characters."""

from __future__ import annotations

from collections.abc import Sequence


def common_prefix_length(one: Sequence[object], other: Sequence[object]) -> int:
    """Length of the longest common prefix of two strings, lists or tuples.

    Bisects over slices, which are compared in C: on prompts of thousands of tokens this is faster
    than a loop over their items.

    Args:
        one: the first sequence.
        other: the second; both must be of the same type, because slices are compared.
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
