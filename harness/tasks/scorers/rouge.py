"""ROUGE-L: the longest common subsequence of words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.characters import folded, word_list
from harness.core.json_types import JsonValue
from harness.core.protocols import Scorer
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted

_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Rouge(Scorer):
    """F-measure of ROUGE-L, without stemming; the best of the accepted targets.

    Words of ASCII texts are runs of a–z and 0–9 in lower case, as in the package rouge_score. In other texts they
    are runs of letters, digits and combining marks, and single letters in scripts without spaces. Two texts without
    any word agree when they are the same.
    """

    paper = "Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries"
    version = 2

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        answer = str(accepted(value)[0])
        return max(rouge_l(answer, str(wanted)) for wanted in accepted(target)), ""


def rouge_l(answer: str, target: str) -> float:
    """F-measure in [0, 1]."""
    answer_words, target_words = words(answer), words(target)
    if not answer_words and not target_words:
        return float(answer.strip() == target.strip())
    return 2 * common_length(answer_words, target_words) / (len(answer_words) + len(target_words))


def words(text: str) -> list[str]:
    """The words whose order is compared."""
    lower = folded(text)
    return _WORD.findall(lower) if lower.isascii() else word_list(lower)


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel (Hyyrö 2004): one row of the usual table is one integer, whose zeros count.
    """
    positions: defaultdict[str, int] = defaultdict(int)
    for index, word in enumerate(first):
        positions[word] |= 1 << index
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        hits = row & positions[word]
        row = ((row + hits) | (row - hits)) & full
    return len(first) - row.bit_count()
