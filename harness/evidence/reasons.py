"""The reasons under the headline: every comparison of the recommended recipe, and the limits of the verdict."""

from __future__ import annotations

import math

from harness.evidence.provisional_text import of_these_runs, provisionally, these_runs
from harness.evidence.stats.seeds import ASSUMED
from harness.evidence.verdict_text import (
    VerdictFacts,
    by,
    count,
    listed,
    points,
    provisional,
    scored,
    standing,
)


def reasons(story: VerdictFacts) -> tuple[str, ...]:
    """What supports or limits the headline, most important first."""
    listed = [*_beaten(story), *_level_with(story), *_not_settled(story), *_economies(story)]
    claimed = [abs(c.difference) for c in story.comparisons if c.outcome in ("better", "worse")]
    if story.minimum < min(claimed, default=1.0):
        listed.append(
            f"with {story.n} examples, leads under {points(story.minimum)} points may go undetected "
            f"(80 % power, {count(len(story.comparisons), 'comparison')})"
        )
    return (*listed, *_caveats(story))


def _beaten(story: VerdictFacts) -> list[str]:
    return [
        f"{story.recommended} beats {c.reference} by {by(c)}{provisionally(c)}"
        for c in story.mine
        if c.outcome == "better"
    ]


def _cheaper(story: VerdictFacts) -> tuple[str, ...]:
    """Leaders that are cheaper than the recommended recipe, and so keep the verdict open."""
    if story.recommended not in story.leaders:
        return ()
    return story.leaders[: story.leaders.index(story.recommended)]


def _level_with(story: VerdictFacts) -> list[str]:
    meaning = {
        "equivalent": "is the same as {} within the margin",
        "not_worse": "is not worse than {} by the margin",
    }
    return [
        f"{story.recommended} {meaning[c.outcome].format(c.reference)}: {by(c)}{provisionally(c)}"
        for c in story.mine
        if c.outcome in meaning and c.reference not in _cheaper(story)
    ]


def _not_settled(story: VerdictFacts) -> list[str]:
    reasons = []
    for c in story.mine:
        if c.reference in _cheaper(story) and c.outcome != "better":
            reasons.append(f"{c.reference}, which is cheaper, may be as good: {standing(c)}{these_runs(c)}")
        elif c.outcome == "worse":
            reasons.append(f"{story.recommended} is worse than {c.reference}: {by(c)}{provisionally(c)}")
        elif c.outcome == "inconclusive":
            if story.chosen.mean >= 1.0 and story.kind in ("winner", "tie"):
                reasons.append(f"{c.reference} is level with it and more expensive: {by(c)}")
                continue
            reasons.append(f"{story.recommended} against {c.reference} is open: {by(c)}")
    return reasons


def _economies(story: VerdictFacts) -> list[str]:
    """What the recommended recipe saves compared with the leaders it was preferred to."""
    chosen = story.chosen
    reasons = []
    for other in story.summaries:
        if other.recipe not in story.leaders or other.recipe == chosen.recipe:
            continue
        parts = [
            _ratio(chosen.cost.train_seconds, other.cost.train_seconds, "the training time"),
            _ratio(chosen.cost.peak_memory_bytes, other.cost.peak_memory_bytes, "the memory"),
            _ratio(chosen.cost.prompt_tokens, other.cost.prompt_tokens, "the prompt tokens"),
        ]
        if any(parts):
            reasons.append(f"{chosen.recipe} takes {listed([p for p in parts if p])} of {other.recipe}")
    return reasons


def _ratio(mine: float | None, theirs: float | None, what: str) -> str:
    if not theirs or mine is None or abs(mine - theirs) < 0.05 * theirs:
        return ""
    if not mine:
        return f"none of {what}"
    times = mine / theirs
    return f"{times:.{1 if times >= 0.1 else 2}f} times {what}"


def _caveats(story: VerdictFacts) -> list[str]:
    caveats = []
    if story.once:
        verb = "was" if len(story.once) == 1 else "were"
        spread = f"{100 * math.sqrt(ASSUMED.variance):.0f} points"
        depends = provisional(story) or any(map(of_these_runs, story.comparisons))
        condition = ", and a provisional claim holds only if it varies less" if depends else ""
        caveats.append(
            f"{listed(story.once)} {verb} trained with one seed: training is assumed to vary by {spread} from seed "
            f"to seed{condition}"
        )
    for oracle in story.oracles:
        caveats.append(f"{scored(oracle)}: an upper bound that sees the gold passages, not a candidate")
    return caveats
