"""A verdict in words: one sentence, and the reasons under it. Differences are in points (1/100)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.decide.ordering import trained
from harness.decide.settle import need
from harness.decide.values import Comparison, RecipeSummary, VerdictKind


@dataclass(frozen=True, kw_only=True)
class Story:
    """Everything that the words are made from; `summaries` without oracles, highest mean first."""

    task: str
    margin: float
    kind: VerdictKind
    summaries: tuple[RecipeSummary, ...]
    best: str
    recommended: str
    leaders: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    minimum: float
    left_out: Mapping[str, int]
    oracles: tuple[RecipeSummary, ...]

    @property
    def mine(self) -> list[Comparison]:
        """The recommended recipe against every other."""
        return [c for c in self.comparisons if c.recipe == self.recommended]

    @property
    def n(self) -> int:
        return min(c.n for c in self.comparisons)


def sentence(story: Story) -> str:
    """The headline."""
    return {
        "winner": _winner,
        "tie": _tie,
        "no_difference": _no_difference,
        "inconclusive": _inconclusive,
    }[story.kind](story)


def reasons(story: Story) -> tuple[str, ...]:
    """What supports or limits the headline, the most important first."""
    found = [*_beaten(story), *_level(story), *_unsettled(story), *_economies(story)]
    found.append(
        f"differences under {points(story.minimum)} points cannot be relied on to show with "
        f"{story.n} examples (80 % power, {_count(len(story.comparisons), 'comparison')})"
    )
    return (*found, *_caveats(story))


def points(value: float) -> str:
    """A difference of scores in points, one decimal."""
    return f"{100 * value:.1f}"


def scored(summary: RecipeSummary) -> str:
    """One recipe's score with its interval, n and seeds."""
    seeds = f", {summary.seeds} seeds" if summary.seeds > 1 else ""
    interval = f"[{100 * summary.low:.1f}, {100 * summary.high:.1f}]"
    return f"{summary.recipe} scores {100 * summary.mean:.1f} {interval} on {summary.n} examples{seeds}"


def by(comparison: Comparison) -> str:
    """A difference with its interval: "21.0 points [16.2, 25.8]"."""
    ends = f"[{points(comparison.low)}, {points(comparison.high)}]"
    return f"{points(comparison.difference)} points {ends}"


def _winner(story: Story) -> str:
    beaten = [c for c in story.mine if c.outcome == "better"]
    closest = min(beaten, key=lambda c: c.difference) if beaten else None
    tail = f"; it beats {closest.reference} by {by(closest)}" if closest else ""
    if closest and len(beaten) > 1:
        tail += f" and {_count(len(beaten) - 1, 'other')} by more"
    if story.recommended == story.best:
        return f"Use {story.recommended}: no cheaper recipe is as good{tail}."
    gap = next(c for c in story.mine if c.reference == story.best)
    within = f"{by(gap)} from the best, {story.best}; margin {points(story.margin)}"
    return f"Use {story.recommended}: the cheapest recipe that is not worse than the best ({within}){tail}."


def _tie(story: Story) -> str:
    margin = f"{points(story.margin)} points"
    return (
        f"No measurable difference: use the cheapest, {story.recommended}; it is shown not to be worse "
        f"than any other by {margin} on {_count(story.n, 'example')}."
    )


def _no_difference(story: Story) -> str:
    return (
        f"No measurable difference between {_listed(story.leaders)} on {_count(story.n, 'example')}; "
        f"one under {points(story.minimum)} points would not show. "
        f"Use the cheapest, {story.recommended}, or ask more examples."
    )


def open_step(story: Story) -> str:
    """What to do when no recipe differs from another."""
    more = _more_examples(story)
    ask = f"label about {more} more test examples" if more else f"add {_other_need(story)}"
    return f"{ask}, or check that the labels can be learnt at all: no recipe gains over another"


def _inconclusive(story: Story) -> str:
    beaten = [c.reference for c in story.mine if c.outcome == "better"]
    if len(beaten) > 4:
        beaten = [*beaten[:3], _count(len(beaten) - 3, "other")]
    first = f"Use {story.recommended} for now{f': it beats {_listed(beaten)}' if beaten else ''}."
    more = _more_examples(story)
    need = f"about {more} more test examples would settle it" if more else f"{_other_need(story)} are needed"
    return f"{first} Inconclusive: {_count(story.n, 'example')} cannot tell whether {_open_question(story)}; {need}."


def _open_question(story: Story) -> str:
    """What a decision waits for: cheaper recipes that may be as good, or dearer ones that may be better."""
    cheaper = story.leaders[: story.leaders.index(story.recommended)]
    margin = f"{points(story.margin)} points"
    if cheaper:
        verb = "is" if len(cheaper) == 1 else "are"
        return f"the cheaper {_listed(cheaper)} {verb} as good, to within {margin}"
    dearer = [c.reference for c in story.mine if c.reference in story.leaders and c.outcome == "inconclusive"]
    others = dearer or [name for name in story.leaders if name != story.recommended]
    verb = "is" if len(others) == 1 else "are"
    return f"{_listed(others)} {verb} better by more than {margin}"


def _more_examples(story: Story) -> int | None:
    """What settles the cheapest leader against every other leader; None where no number of examples does."""
    found = need(story.leaders, story.comparisons, story.margin)
    return None if found.examples is None else round_up(found.examples)


def _other_need(story: Story) -> str:
    """What is asked for where no number of examples would settle it."""
    groups = need(story.leaders, story.comparisons, story.margin).missing == "groups"
    return "examples of more groups" if groups else "more seeds"


def round_up(count: int) -> int:
    """Two figures, upwards: more would pretend to a precision that planning does not have."""
    step = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // step) * step


def _beaten(story: Story) -> list[str]:
    return [
        f"{story.recommended} beats {c.reference} by {by(c)}, p {_p(c.p_holm)} after Holm"
        for c in story.mine
        if c.outcome == "better"
    ]


def _level(story: Story) -> list[str]:
    meaning = {
        "equivalent": "is the same as {} within the margin",
        "not_worse": "is not worse than {} by the margin",
    }
    return [
        f"{story.recommended} {meaning[c.outcome].format(c.reference)}: {by(c)}"
        for c in story.mine
        if c.outcome in meaning
    ]


def _unsettled(story: Story) -> list[str]:
    found = []
    for c in story.mine:
        if c.outcome == "worse":
            found.append(f"{story.recommended} is worse than {c.reference}: {by(c)}")
        elif c.outcome == "inconclusive":
            more = f"about {round_up(c.examples_needed)} more examples" if c.examples_needed else "more seeds"
            found.append(
                f"{story.recommended} against {c.reference} is open: {by(c)}; {more} would settle it"
            )
    return found


def _economies(story: Story) -> list[str]:
    """What the recommended recipe saves against the leaders it was preferred to."""
    chosen = next(s for s in story.summaries if s.recipe == story.recommended)
    found = []
    for other in story.summaries:
        if other.recipe not in story.leaders or other.recipe == chosen.recipe:
            continue
        parts = [
            _ratio(chosen.cost.train_seconds, other.cost.train_seconds, "the training time"),
            _ratio(chosen.cost.peak_memory_bytes, other.cost.peak_memory_bytes, "the memory"),
            _ratio(chosen.cost.prompt_tokens, other.cost.prompt_tokens, "the prompt tokens"),
        ]
        if any(parts):
            found.append(f"{chosen.recipe} needs {_listed([p for p in parts if p])} of {other.recipe}")
    return found


def _ratio(mine: float | None, theirs: float | None, what: str) -> str:
    if not theirs or mine is None or abs(mine - theirs) < 0.05 * theirs:
        return ""
    return f"{100 * mine / theirs:.0f} % of {what}" if mine else f"none of {what}"


def _caveats(story: Story) -> list[str]:
    found = []
    single = [s.recipe for s in story.summaries if trained(s.cost) and s.seeds == 1]
    if single:
        verb = "was" if len(single) == 1 else "were"
        found.append(
            f"{_listed(single)} {verb} trained with one seed: training noise is not in the intervals"
        )
    for recipe, count in story.left_out.items():
        found.append(f"{recipe}: {_count(count, 'example')} without a score left out of every pair")
    for oracle in story.oracles:
        found.append(f"{scored(oracle)}: an upper bound that sees the gold passages, not a candidate")
    if all(s.mean == 0.0 for s in story.summaries):
        found.append("every recipe scores 0: the task, the format or the token limit may be at fault")
    return found


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
