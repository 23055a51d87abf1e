"""Token F1, as SQuAD computes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.protocols import Scorer
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted, normalise


@dataclass(frozen=True, kw_only=True)
class F1(Scorer):
    """Harmonic mean of precision and recall over words; the best of the accepted targets."""

    paper = "Rajpurkar et al. 2016, SQuAD"

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        return max(token_f1(str(value), str(answer)) for answer in accepted(target)), ""


def token_f1(answer: str, target: str) -> float:
    """F1 in [0, 1]; two empty texts agree."""
    answer_words, target_words = normalise(answer).split(), normalise(target).split()
    if not answer_words or not target_words:
        return float(answer_words == target_words)
    common = sum((Counter(answer_words) & Counter(target_words)).values())
    return 2 * common / (len(answer_words) + len(target_words))
