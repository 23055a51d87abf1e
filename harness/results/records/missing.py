"""Answers that a run does not have: how many, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.results.records.base import Lenient

SHOWN = 3
"""Reasons that are named; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Missing(Lenient):
    """`count` of `of` answers are missing, `final` of them for good; `reasons` says why, the most common
    first."""

    count: int
    of: int
    reasons: dict[str, int]
    final: int = 0

    @classmethod
    def together(cls, lacks: Iterable[Missing]) -> Missing:
        """What several runs lack, such as the seeds of a recipe."""
        known = list(lacks)
        reasons: Counter[str] = Counter()
        for lack in known:
            reasons.update(lack.reasons)
        return cls(
            count=sum(lack.count for lack in known),
            of=sum(lack.of for lack in known),
            reasons=dict(reasons.most_common()),
            final=sum(lack.final for lack in known),
        )

    @property
    def all(self) -> bool:
        """Whether there is no answer at all."""
        return self.count == self.of

    @property
    def askable(self) -> bool:
        """Whether the same command, given again, asks for any of them."""
        return self.count > self.final

    def sentence(self, recipe: str = "", seeds: int = 1) -> str:
        """In words: "20 of 40 answers of zero_shot are missing: HTTP 503: busy".

        Args:
            seeds: how many runs' answers these are, of one recipe: a verdict counts examples, each once.
        """
        whose = f" of {recipe}" if recipe else ""
        together = f" ({seeds} seeds together)" if seeds > 1 else ""
        verb = "is" if self.count == 1 else "are"
        return f"{self.count} of {self.of} answers{whose} {verb} missing: {self._why()}{together}"

    def to_json(self) -> dict[str, int | dict[str, int]]:
        return {"count": self.count, "of": self.of, "final": self.final, "reasons": self.reasons}

    def _why(self) -> str:
        if len(self.reasons) == 1:
            return next(iter(self.reasons))
        named = list(self.reasons.items())[:SHOWN]
        parts = [f"{reason} ({count})" for reason, count in named]
        left = len(self.reasons) - len(named)
        if left:
            parts.append(f"{left} other {'reason' if left == 1 else 'reasons'}")
        return "; ".join(parts)
