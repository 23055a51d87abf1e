"""Which recipe to use: the best, the leaders, their families, and the open questions between them (`verdict.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.evidence.candidates import Candidates
from harness.evidence.families import Standing, unbeaten
from harness.evidence.planning import level_of_each
from harness.evidence.stats import power
from harness.evidence.verdict_types import Comparison, Family, FamilyState, VerdictKind
from harness.evidence.works import Working

_KINDS: Mapping[tuple[bool, bool], VerdictKind] = {
    (True, True): "winner",
    (False, True): "inconclusive",
    (True, False): "tie",
    (False, False): "no_difference",
}
"""By whether family and recipe are settled, and whether any recipes differ."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which recipe to use, and how sure that is."""

    kind: VerdictKind
    best: str
    recommended: str
    leaders: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    minimum: float
    standing: Standing
    within: tuple[str, ...]
    """Leaders of the recommended recipe's family, the cheapest first."""
    settled_within: bool
    open_pairs: tuple[Comparison, ...]


def choose(candidates: Candidates, works: Working) -> Choice:
    """The choice among recipes if at least one works."""
    best = candidates.ranked[0].recipe
    leaders = _leaders(candidates, best)
    fit = tuple(name for name in leaders if name in works.recipes) or leaders
    state, use, pool = _family(candidates, fit)
    cheapest, possible = pool[0], fit
    unproven = [name for name in leaders if name not in fit and candidates.family(name) != use]
    if state in ("ahead", "level") and not candidates.settled(cheapest, unproven):
        # Another family's recipe is not shown to work, nor to be worse than this one.
        state, possible = "open", leaders
    different = any(pair.outcome in ("better", "worse") for pair in candidates.pairs)
    shown = (
        state != "open"
        and cheapest == _own(candidates, fit, use)[0]
        and candidates.settled(cheapest, leaders)
    )
    kind = _KINDS[shown, different]
    recommended = _meanwhile(candidates, pool, best) if kind == "inconclusive" else cheapest
    use = candidates.family(recommended)
    within = _own(candidates, fit, use)
    return Choice(
        kind=kind,
        best=best,
        recommended=recommended,
        leaders=leaders,
        comparisons=arranged(candidates, recommended),
        minimum=_minimum_detectable(candidates, leaders),
        standing=Standing(
            pairs=candidates,
            ranked=candidates.ranked,
            state=state,
            use=use,
            recommended=recommended,
            candidates=tuple(dict.fromkeys(candidates.family(name) for name in possible)),
        ),
        within=within,
        settled_within=recommended == within[0] and candidates.settled(recommended, within),
        open_pairs=_open_pairs(candidates, fit[0], leaders),
    )


def _open_pairs(candidates: Candidates, cheapest: str, leaders: tuple[str, ...]) -> tuple[Comparison, ...]:
    """The cheapest recipe that may be best, minus each leader that may be better."""
    others = [name for name in leaders if name != cheapest and not candidates.settled(cheapest, [name])]
    pairs = [candidates.between(cheapest, name) for name in others]
    return tuple(pair for pair in pairs if pair is not None)


def _own(candidates: Candidates, names: Sequence[str], family: Family) -> tuple[str, ...]:
    """Those of `names` that belong to `family`, in order."""
    return tuple(name for name in names if candidates.family(name) == family)


def _leaders(candidates: Candidates, best: str) -> tuple[str, ...]:
    """Recipes that may be best, the cheapest first."""
    leading = [
        s for s in candidates.ranked if s.recipe == best or _not_shown_worse(candidates, s.recipe, best)
    ]
    possible = unbeaten(candidates, candidates.ranked)
    leading = [s for s in leading if s.family in possible] or leading
    return tuple(s.recipe for s in sorted(leading, key=lambda s: s.rank_by_cost))


def _family(candidates: Candidates, leaders: tuple[str, ...]) -> tuple[FamilyState, Family, tuple[str, ...]]:
    """The state of the families, the one to use, and the recipes that may be recommended for it."""
    use = candidates.family(leaders[0])
    own = tuple(name for name in leaders if candidates.family(name) == use)
    others = [name for name in leaders if name not in own]
    if not others:
        alone = len({summary.family for summary in candidates.ranked}) == 1
        return ("only" if alone else "ahead"), use, own
    level = tuple(name for name in own if candidates.settled(name, others))
    return ("level", use, level) if level else ("open", use, leaders)


def _not_shown_worse(candidates: Candidates, recipe: str, best: str) -> bool:
    pair = candidates.between(recipe, best)
    return pair is None or pair.outcome != "worse"


def _meanwhile(candidates: Candidates, leaders: tuple[str, ...], best: str) -> str:
    """Until more is known: the cheapest leader that was observed within the margin of the best."""
    reference = best if best in leaders else max(leaders, key=lambda name: _mean(candidates, name))
    for leader in leaders:
        pair = candidates.between(leader, reference)
        if leader == reference or (pair is not None and pair.difference >= -candidates.margin):
            return leader
    return reference


def _mean(candidates: Candidates, recipe: str) -> float:
    return next(summary.mean for summary in candidates.ranked if summary.recipe == recipe)


def arranged(candidates: Candidates, first: str) -> tuple[Comparison, ...]:
    """`first` against every other, then the other pairs, the higher mean minus the lower."""
    names = [first, *(s.recipe for s in candidates.ranked if s.recipe != first)]
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    compared = [candidates.between(a, b) for a, b in pairs]
    return tuple(comparison for comparison in compared if comparison is not None)


def _minimum_detectable(candidates: Candidates, leaders: tuple[str, ...]) -> float:
    """That of the median pair of leaders (of all pairs if there is one leader), never above a difference that
    was just shown."""
    close = [pair for pair in candidates.pairs if {pair.recipe, pair.reference} <= set(leaders)]
    errors = sorted(
        (c.sampling_se**2 + (c.training_se or 0.0) ** 2) ** 0.5 for c in close or candidates.pairs
    )
    alpha = level_of_each(len(candidates.pairs))
    shown = [abs(pair.difference) for pair in candidates.pairs if pair.outcome in ("better", "worse")]
    return min(power.minimum_detectable(errors[len(errors) // 2], alpha), 1.0, *shown)
