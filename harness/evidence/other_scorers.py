"""Whether a task's other scorers agree with its primary one on the claims in the headline."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.evidence.aggregate import RecipeScores, gather
from harness.evidence.common_examples import common_ids, on_common
from harness.evidence.pairwise import compare
from harness.evidence.provisional_text import provisionally
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict_text import by, points
from harness.evidence.verdict_types import Families, RecipeSummary, RunScores, Within

Says = Literal["ahead", "level"]


@dataclass(frozen=True)
class Claim:
    """The primary scorer's result for two recipes: the first is ahead, or they are level or not distinguished."""

    recipe: str
    reference: str
    says: Says


def claims(families: Families, within: Within | None, ranked: Sequence[RecipeSummary]) -> list[Claim]:
    """The headline's claims about pairs: between families, else between the two best recipes."""
    claims = [
        Claim(c.recipe, c.reference, "ahead" if c.outcome == "ahead" else "level") for c in families.claims
    ]
    if claims or within is None or len(ranked) < 2:
        return claims
    rival = next(summary.recipe for summary in ranked if summary.recipe != within.recommended)
    return [Claim(within.recommended, rival, "ahead" if within.state == "settled" else "level")]


def disagreements(
    tables: Sequence[RecipeScores],
    claims: Sequence[Claim],
    margin: float,
    noise: Mapping[str, TrainingNoise] | None = None,
) -> list[str]:
    """A sentence for each other scorer that contradicts the headline, on the first claim that it denies.

    Every scorer is tested on every claim, so that all reported results hold at the level of a verdict.
    """
    names = dict.fromkeys(
        scorer.name for table in tables for run in table.runs for scorer in run.other_scorers
    )
    sentences = []
    for name in names:
        scored = [_with(run, name) for table in tables for run in table.runs]
        ids = common_ids(tables)
        known = {t.recipe: t for t in on_common(gather([run for run in scored if run is not None]), ids)}
        for claim in claims:
            if claim.recipe in known and claim.reference in known:
                both = [known[claim.recipe], known[claim.reference]]
                sentence = _denied(name, claim, both, margin, noise, len(names) * len(claims))
                if sentence:
                    sentences.append(sentence)
                    break
    return sentences


def _with(run: RunScores, name: str) -> RunScores | None:
    """The run as another scorer sees it; None if it did not score it."""
    scorer = next((scorer for scorer in run.other_scorers if scorer.name == name), None)
    return None if scorer is None else dataclasses.replace(run, values=scorer.values, binary=scorer.binary)


def _denied(
    name: str,
    claim: Claim,
    both: Sequence[RecipeScores],
    margin: float,
    noise: Mapping[str, TrainingNoise] | None,
    at_once: int,
) -> str:
    pairs = compare(both, margin, noise, at_once=at_once)
    if not pairs:
        return ""
    (pair,) = pairs
    means = " and ".join(points(float(table.values.mean())) for table in both)
    if claim.says == "ahead" and pair.outcome == "worse":
        return (
            f"Scored by {name}, it is the other way around: {claim.recipe} and {claim.reference} score {means}, "
            f"{by(pair)}{provisionally(pair)}."
        )
    if claim.says == "ahead" and pair.outcome != "better":
        word = "are level" if pair.outcome == "equivalent" else "cannot be told apart"
        return f"Scored by {name}, {claim.recipe} and {claim.reference} {word}: {means}, a difference of {by(pair)}."
    if claim.says == "level" and pair.outcome in ("better", "worse") and not pair.provisional:
        word = "ahead of" if pair.outcome == "better" else "behind"
        return f"Scored by {name}, {claim.recipe} is {word} {claim.reference}: {means}, a difference of {by(pair)}."
    return ""
