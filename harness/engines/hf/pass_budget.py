"""How many tokens one forward pass takes, which is less where memory ran out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.core.errors import RunError
from harness.models.layers.out_of_memory import is_out_of_memory, release


@dataclass
class PassBudget:
    """`tokens` is about what a pass takes. An engine keeps one, so what did not fit once is not tried again."""

    tokens: int
    _tried: tuple[int, int] = (0, 0)

    def begin(self, lengths: Sequence[int]) -> None:
        """A pass over pieces of these lengths begins."""
        self._tried = sum(lengths), len(lengths)

    def halve(self) -> bool:
        """Halve what a pass takes, after the last one ran out of memory; False where it had one piece alone, which no
        smaller pass can compute, or where memory ran out before any pass began."""
        tokens, pieces = self._tried
        self._tried = (0, 0)
        if pieces < 2:
            return False
        self.tokens = max(1, min(self.tokens, tokens) // 2)
        return True


def in_passes(
    members: Sequence[int], lengths: Sequence[int], budget: PassBudget, compute: Callable[[list[int]], None]
) -> None:
    """Call `compute` with all members, a budget's worth at a time and fewer where memory runs out.

    Args:
        members: what is computed, in order; neighbors are computed together.
        lengths: tokens of each.
        budget: what a pass takes.
        compute: computes some of the members, and says by `budget.begin` what its pass holds.

    Raises:
        RunError: memory runs out with a single member.
    """
    size = dict(zip(members, lengths, strict=True))
    for batch in batches(lengths, budget.tokens):
        # Cut again: the budget may have become smaller since.
        pending = [[members[i] for i in batch]]
        while pending:
            part = pending.pop()
            cuts = [[part[i] for i in cut] for cut in batches([size[i] for i in part], budget.tokens)]
            pending += reversed(cuts[1:])
            if not _fits(cuts[0], compute):
                if not budget.halve() and len(cuts[0]) == 1:
                    raise RunError(
                        f"out of memory with {size[cuts[0][0]]} tokens alone — take a smaller base"
                    )
                half = -(-len(cuts[0]) // 2)
                pending += [some for some in (cuts[0][half:], cuts[0][:half]) if some]


def _fits(part: list[int], compute: Callable[[list[int]], None]) -> bool:
    try:
        compute(part)
        return True
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    release()  # only now: an error that is being handled holds the tensors of its frames
    return False


def batches(lengths: Sequence[int], budget: int) -> Iterator[range]:
    """Neighbors whose lengths add up to at most `budget`, or one that alone is longer."""
    start, total = 0, 0
    for i, length in enumerate(lengths):
        if i > start and total + length > budget:
            yield range(start, i)
            start, total = i, 0
        total += length
    if lengths:
        yield range(start, len(lengths))
