"""Which recipe of the family to use, in words: the line under the headline."""

from __future__ import annotations

from harness.evidence.families import SETTLED
from harness.evidence.provisional_text import provisionally, these_runs
from harness.evidence.verdict_text import NOUNS, VerdictFacts, by, listed, points, standing
from harness.evidence.verdict_types import Within, WithinState


def within(story: VerdictFacts) -> Within:
    """Which recipe of the family to use."""
    others = [s for s in story.summaries if s.family == story.family]
    state: WithinState = "only" if len(others) == 1 else "settled" if story.settled_within else "open"
    text = {"only": _the_only, "settled": _settled, "open": _unsettled}[state](story)
    mine = [c for c in story.mine if c.reference in {s.recipe for s in others}]
    return Within(
        family=story.family,
        state=state,
        recommended=story.recommended,
        candidates=story.within,
        provisional=state == "settled" and any(c.provisional for c in (story.rivals or mine)),
        sentence=text,
    )


def _the_only(story: VerdictFacts) -> str:
    return f"{story.recommended} is the only {NOUNS[story.family]} that was run."


def _settled(story: VerdictFacts) -> str:
    noun, rivals = NOUNS[story.family], story.rivals
    if story.chosen.mean >= 1.0 and rivals:
        names = listed([c.reference for c in rivals])
        return (
            f"{story.recommended} has every answer right; more expensive recipes cannot be better: {names}."
        )
    if rivals:
        closest = min(rivals, key=lambda c: c.difference)
        return (
            f"Use {story.recommended}, the cheapest {noun} that is not worse than another by "
            f"{points(story.margin)} points: {by(closest)} against {closest.reference}"
            f"{provisionally(closest)}."
        )
    own = {s.recipe for s in story.summaries if s.family == story.family}
    beaten = [c for c in story.mine if c.reference in own and c.outcome == "better"]
    if not beaten:
        return f"Use {story.recommended}, the best {noun}."
    closest = min(beaten, key=lambda c: c.difference)
    return f"Use {story.recommended}: it beats the next {noun}, {closest.reference}, by {by(closest)}{provisionally(closest)}."


def _unsettled(story: VerdictFacts) -> str:
    """The open question within the family, about the pair that is closest to an answer."""
    rivals = story.rivals
    if not rivals:
        return f"Use {story.recommended} for now."
    closest = min(rivals, key=lambda c: (c.outcome in SETTLED, c.difference))
    if any(c.provisional for c in rivals):
        why = "one training run each is too few to tell"
    elif closest.low <= 0 <= closest.high:
        why = "the difference may be chance"
    else:
        why = f"it may be less than the margin of {points(story.margin)}"
    return f"Which {NOUNS[story.family]} is open: {standing(closest)}{these_runs(closest)}; {why}. Use {story.recommended} for now."
