"""Token F1, as SQuAD computes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted
from harness.tasks.scorers._text import TextScorer


@dataclass(frozen=True, kw_only=True)
class F1(TextScorer):
    """Harmonic mean of precision and recall over words (letters in scripts without spaces); the best of the
    accepted targets."""

    paper = "Rajpurkar et al. 2016, SQuAD; Lewis et al. 2020, MLQA (other languages)"
    version = 3

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        words = self.tokens(str(value))
        return max(token_f1(words, self.tokens(str(answer))) for answer in accepted(target)), ""


def token_f1(answer: Sequence[str], target: Sequence[str]) -> float:
    """F1 of two lists of words, in [0, 1]; two empty ones agree."""
    if not answer or not target:
        return float(answer == target)
    common = sum((Counter(answer) & Counter(target)).values())
    return 2 * common / (len(answer) + len(target))
