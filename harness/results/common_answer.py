"""The answer that a run gave most often: it exposes a model that gives one answer to every question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.core.secrets import beginning
from harness.evidence.verdict_types import CommonAnswer
from harness.results.records.sample import SampleRecord

SHOWN = 60
"""How many characters of an answer are shown."""


def common_answer(rows: Sequence[SampleRecord]) -> CommonAnswer | None:
    """The answer that was given most often, and how many targets equal it; None if no answer is text, e.g. if
    another tool compared log-likelihoods."""
    answered = [row for row in rows if row.answered and row.output is not None]
    texts = Counter(str(row.output).strip() for row in answered)
    if not texts:
        return None
    text, count = texts.most_common(1)[0]
    value = next(row.extracted.value for row in answered if str(row.output).strip() == text)
    wanted = sum(
        value == row.target or (isinstance(row.target, list) and value in row.target) for row in answered
    )
    return CommonAnswer(
        text=beginning(text, SHOWN),
        count=count,
        n=len(answered),
        wanted=wanted,
    )
