"""Prompt, retrieve or finetune: families of recipes, and which of them is ahead.

A family is ahead of another when one of its recipes is shown to be better than every recipe of the
other. Every such claim is made from the pairwise comparisons, whose p-values and intervals hold
together, so that the claims about families hold together, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.evidence.cost_order import trained
from harness.evidence.verdict_types import (
    ClaimOutcome,
    Comparison,
    Families,
    Family,
    FamilyClaim,
    FamilyStanding,
    FamilyState,
    RecipeSummary,
    RunScores,
)

SETTLED = ("better", "equivalent", "not_worse")
"""Outcomes that show a recipe not to be worse."""
NAMES: Mapping[Family, str] = {
    "prompt": "Prompt",
    "retrieve": "Retrieve",
    "finetune": "Finetune",
    "both": "Retrieve and finetune",
}


class Pairs(Protocol):
    """Every pair of recipes that answered a common example."""

    def between(self, recipe: str, reference: str) -> Comparison | None:
        """`recipe` minus `reference`."""

    def settled(self, recipe: str, others: Sequence[str]) -> bool:
        """Whether `recipe` is shown not to be worse than any of `others`, or cannot be worse."""


def of_recipe(config: Mapping[str, Any]) -> Family:
    """The family of a resolved recipe, by its slots. A base that is made of trained runs is a finetune's."""
    program = config.get("program") or {}
    retrieves = bool(program.get("retriever")) or program.get("kind") == "stuffed"
    trains = config.get("weights") or (config.get("base") or {}).get("runs")
    if trains:
        return "both" if retrieves else "finetune"
    return "retrieve" if retrieves else "prompt"


def of_run(run: RunScores) -> Family:
    """A run's family; if it is not recorded, by whether something was trained."""
    return run.family or ("finetune" if trained(run.cost) else "prompt")


def members(ranked: Sequence[RecipeSummary]) -> dict[Family, list[RecipeSummary]]:
    """Recipes by family; families and recipes with the highest mean first."""
    by_family: dict[Family, list[RecipeSummary]] = {}
    for summary in ranked:
        by_family.setdefault(summary.family, []).append(summary)
    return by_family


def champion(pairs: Pairs, own: Sequence[RecipeSummary], other: Sequence[RecipeSummary]) -> str | None:
    """The first recipe of `own` that is shown to be better than every recipe of `other`."""
    for summary in own:
        against = [pairs.between(summary.recipe, rival.recipe) for rival in other]
        if all(pair is not None and pair.outcome == "better" for pair in against):
            return summary.recipe
    return None


def unbeaten(pairs: Pairs, ranked: Sequence[RecipeSummary]) -> tuple[Family, ...]:
    """Families that no other family is ahead of, the one with the highest mean first."""
    known = members(ranked)
    return tuple(
        family
        for family, own in known.items()
        if not any(champion(pairs, rivals, own) for other, rivals in known.items() if other != family)
    )


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The decision about families, before it is put into words."""

    pairs: Pairs
    ranked: Sequence[RecipeSummary]
    """Candidates, highest mean first."""
    state: FamilyState
    use: Family
    recommended: str
    candidates: tuple[Family, ...]

    def result(self) -> Families:
        known = members(self.ranked)
        claims = [self._claim(known[self.use], other, rivals) for other, rivals in known.items()]
        return Families(
            state=self.state,
            use=self.use,
            candidates=self.candidates,
            standings=standings(self.ranked),
            claims=tuple(claim for claim in claims if claim is not None),
            badge=self._badge(),
        )

    def _claim(
        self, own: Sequence[RecipeSummary], other: Family, rivals: Sequence[RecipeSummary]
    ) -> FamilyClaim | None:
        if other == self.use:
            return None
        first = sorted(own, key=lambda summary: summary.recipe != self.recommended)
        leader = champion(self.pairs, first, rivals)
        shown = [self.pairs.between(leader or self.recommended, rival.recipe) for rival in rivals]
        claims = [pair for pair in shown if pair is not None]
        if not claims:
            return None
        drawn = claims[0]
        level = self.pairs.settled(self.recommended, [rival.recipe for rival in rivals])
        outcome: ClaimOutcome = "ahead" if leader else "level" if level else "open"
        return FamilyClaim(
            over=other,
            outcome=outcome,
            recipe=drawn.recipe,
            reference=drawn.reference,
            difference=drawn.difference,
            low=drawn.low,
            high=drawn.high,
            provisional=any(
                pair.provisional for pair in claims if outcome == "open" or pair.outcome in SETTLED
            ),
        )

    def _badge(self) -> str:
        if self.state == "open":
            return "Open: " + " or ".join(_short(NAMES[family]) for family in self.candidates)
        return f"{NAMES[self.use]} only" if self.state == "only" else NAMES[self.use]


def _short(name: str) -> str:
    return name.lower().replace(" and ", " + ")


def standings(ranked: Sequence[RecipeSummary]) -> tuple[FamilyStanding, ...]:
    """Each family with its best recipe, the highest mean first."""
    return tuple(
        FamilyStanding(
            family=family,
            recipes=tuple(summary.recipe for summary in own),
            best=own[0].recipe,
            mean=own[0].mean,
            low=own[0].low,
            high=own[0].high,
        )
        for family, own in members(ranked).items()
    )


def undecided(state: FamilyState, badge: str, ranked: Sequence[RecipeSummary]) -> Families:
    """No family to use: nothing works, or there is nothing to compare."""
    return Families(state=state, use=None, candidates=(), standings=standings(ranked), claims=(), badge=badge)
