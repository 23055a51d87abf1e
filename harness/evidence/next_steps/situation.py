"""The next step, and what it is chosen from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.evidence.command import Invocation
from harness.evidence.cost_order import trained
from harness.evidence.triage import Triage
from harness.evidence.verdict_types import Comparison, Families, Family, RecipeSummary, VerdictKind, Within

SEEDS, MOST_SEEDS = 3, 7
"""How many seeds a trained recipe gets at first, and at most."""
SHIPPED: Mapping[Family, str] = {
    "prompt": "few_shot",
    "retrieve": "bm25_rag",
    "finetune": "lora",
    "both": "rag_lora",
}
"""The shipped recipe that represents a family."""
FAMILY_OF: Mapping[str, Family] = {recipe: family for family, recipe in SHIPPED.items()}


@dataclass(frozen=True)
class NextStep:
    """One command to paste (empty: none), and the reasons for it."""

    command: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known when the next step is chosen."""

    task: str
    kind: VerdictKind
    families: Families
    recommended: RecipeSummary
    ranked: Sequence[RecipeSummary]
    invocation: Invocation
    within: Within | None = None
    provisional: bool = False
    open_pairs: Sequence[Comparison] = ()
    """The open pairs: the cheapest recipe that may be best, minus each one that may be better."""
    triage: Triage | None = None
    over_constant: Comparison | None = None
    """The best recipe minus the constant answer, if no recipe is shown to work."""
    unproven: bool = False
    """Whether the best recipe does better than the constant answer, but possibly by chance."""

    def trained_once(self, *names: str) -> bool:
        """Whether any of these recipes was trained with a single seed."""
        return any(s.recipe in names and trained(s.cost) and s.seeds < SEEDS for s in self.ranked)

    @property
    def known(self) -> set[Family]:
        """Families that were run."""
        return {summary.family for summary in self.ranked}
