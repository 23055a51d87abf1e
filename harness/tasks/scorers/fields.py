"""Field-level F1 of structured answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.leaves import leaves
from harness.core.probes import ScorerProbe
from harness.core.protocols import Scorer
from harness.core.values import Example


@dataclass(frozen=True, kw_only=True)
class Fields(Scorer):
    """F1 over (path, value) pairs of the leaves: a missing, wrong or invented field each costs.

    Texts are compared without regard to case, outer whitespace and the several spellings that Unicode has of one text.
    """

    paper = "Chinchor & Sundheim 1993, MUC-5 Evaluation Metrics (slot F1)"
    version = 2

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(
            takes="json",
            right=({"a": 1, "b": [2]}, {"a": 1, "b": [2]}),
            wrong=({"a": 2}, {"b": 1}),
            several_targets=False,
        )

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        answer_leaves, target_leaves = Counter(leaves(value)), Counter(leaves(target))
        common = sum((answer_leaves & target_leaves).values())
        wrong = sorted(
            {path for path, _ in (target_leaves - answer_leaves)}
            | {path for path, _ in (answer_leaves - target_leaves)}
        )
        return 2 * common / (
            answer_leaves.total() + target_leaves.total()
        ), f"differs at {', '.join(wrong[:8])}" if wrong else ""
