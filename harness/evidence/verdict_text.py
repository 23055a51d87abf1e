"""A verdict in words: the headline, and the words that other lines share. Differences are in points (1/100)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core import formatting
from harness.evidence.families import NAMES, SETTLED
from harness.evidence.stats.simultaneous import TOGETHER
from harness.evidence.verdict_types import (
    Compared,
    Comparison,
    Families,
    Family,
    FamilyClaim,
    RecipeSummary,
    VerdictKind,
)

NOTHING_WORKS = "Nothing works yet"
UNPROVEN = "Can't tell yet"
ALONE = "Nothing to compare"
NOTHING_TO_COMPARE = "Nothing to compare: a verdict needs two recipes that answered the same examples."
ONE_SEED = "provisional: one training seed"
LEGEND = (
    "A point is a hundredth of the score. Brackets show the range in which the value would lie with "
    "an unlimited number of such examples; in 95 of 100 verdicts all of these ranges are right."
)
"""For a reader who has never seen a verdict."""
LEVEL = f"{round(100 * TOGETHER)} %"
"""The level at which a single interval is computed."""
APPROXIMATE = "an interval of few examples is an approximation"
"""Why it is more than the 95 % that are promised."""
MOSTLY_ONE = 0.8
"""A recipe whose most common answer reaches this share gets a note."""

NOUNS: Mapping[Family, str] = {
    "prompt": "prompt",
    "retrieve": "retrieval",
    "finetune": "finetune",
    "both": "retrieval with finetuning",
}

ONLY: Mapping[Family, str] = {
    "prompt": "Only prompts were run: whether retrieval or finetuning does better is not known.",
    "retrieve": "Only retrieval was run: whether a prompt or finetuning does better is not known.",
    "finetune": "Only finetunes were run: whether a prompt or retrieval does as well is not known.",
    "both": "Only retrieval with finetuning was run: whether either alone does as well is not known.",
}
"""The open question of a verdict over one family."""


def legend(compared: Compared) -> str:
    """What a verdict's numbers mean. Another tool's log may show intervals at 95 %: why these are wider is said beside
    its systems."""
    if compared == "recipe":
        return LEGEND
    return f"{LEGEND} For this, each is computed at {LEVEL}, or more if there are several, because {APPROXIMATE}."


@dataclass(frozen=True, kw_only=True)
class VerdictFacts:
    """The inputs of the sentences; `summaries` without oracles, highest mean first."""

    task: str
    primary: str
    margin: float
    kind: VerdictKind
    families: Families
    summaries: tuple[RecipeSummary, ...]
    best: str
    recommended: str
    leaders: tuple[str, ...]
    within: tuple[str, ...]
    """Leaders of the recommended recipe's family, the cheapest first."""
    settled_within: bool
    comparisons: tuple[Comparison, ...]
    minimum: float
    once: tuple[str, ...]
    """Recipes trained with one seed whose training noise is not known."""
    oracles: tuple[RecipeSummary, ...]
    constant: RecipeSummary | None

    @property
    def mine(self) -> list[Comparison]:
        """The recommended recipe against every other."""
        return [c for c in self.comparisons if c.recipe == self.recommended]

    @property
    def n(self) -> int:
        return min(c.n for c in self.comparisons)

    @property
    def chosen(self) -> RecipeSummary:
        return next(s for s in self.summaries if s.recipe == self.recommended)

    @property
    def family(self) -> Family:
        return self.chosen.family

    @property
    def rivals(self) -> list[Comparison]:
        """The recommended recipe against the other leaders of its family, if they share an answered example."""
        by_name = {c.reference: c for c in self.mine}
        return [by_name[name] for name in self.within if name in by_name]


def sentence(story: VerdictFacts) -> str:
    """The headline: which family, by how much, and whether its answers are mostly one text."""
    if story.families.state == "only":
        first = _only(story)
    elif story.kind in ("tie", "no_difference"):
        first = _no_difference(story)
    else:
        first = {"ahead": _ahead, "level": _level, "open": _open}[story.families.state](story)
    return first + mostly_one_answer(story.chosen)


def provisional(story: VerdictFacts) -> bool:
    """Whether the headline's claim depends on one training seed with unknown noise."""
    families, mine = story.families, [c for c in story.mine if c.outcome in SETTLED]
    if families.state == "only" or story.kind == "tie":
        claimed = mine if story.kind in ("winner", "tie") else [c for c in mine if c.outcome == "better"]
        return story.kind != "no_difference" and any(c.provisional for c in claimed)
    if story.kind == "no_difference":
        return False
    shown = ("ahead",) if families.state == "open" else ("ahead", "level")
    return any(claim.provisional for claim in families.claims if claim.outcome in shown)


def _marked(story: VerdictFacts) -> str:
    return f" ({ONE_SEED})" if provisional(story) else ""


def mostly_one_answer(summary: RecipeSummary) -> str:
    """A sentence if nearly all answers of a recipe are one text, and the targets are not."""
    answer = summary.common_answer
    if (
        answer is None
        or answer.count < MOSTLY_ONE * answer.n
        or answer.count - answer.wanted < 0.1 * answer.n
    ):
        return ""
    if not answer.text:
        return f" {summary.recipe} gives no answer at all (empty text) to {answer.count} of {answer.n} questions."
    return f" {summary.recipe} gives one answer, “{answer.text}”, to {answer.count} of {answer.n} questions."


def _ahead(story: VerdictFacts) -> str:
    return f"{NAMES[story.family]}{_marked(story)}. {_beats(story.families.claims)}"


def _beats(claims: Sequence[FamilyClaim]) -> str:
    """What the family is ahead of: the first claim with its interval, the others too."""
    ahead = sorted((c for c in claims if c.outcome == "ahead"), key=lambda claim: claim.difference)
    if not ahead:
        return ""
    first = f"the best {NOUNS[ahead[0].over]}, {ahead[0].reference}, by {by(ahead[0])}"
    rest = [f"the best {NOUNS[c.over]}, {c.reference}, by {ends(c)}" for c in ahead[1:]]
    return f"{ahead[0].recipe} beats {listed([first, *rest])}."


def _level(story: VerdictFacts) -> str:
    level = [claim for claim in story.families.claims if claim.outcome == "level"]
    first = level[0]
    if any(claim.low <= -story.margin for claim in level):
        others = listed([f"the best {NOUNS[claim.over]}, {claim.reference}" for claim in level])
        return " ".join(
            filter(
                None,
                [
                    f"{NAMES[story.family]}{_marked(story)}. {first.recipe} has every answer right; more expensive "
                    f"recipes cannot be better: {others}.",
                    _beats(story.families.claims),
                ],
            )
        )
    names = [f"the best {NOUNS[claim.over]}, {claim.reference}" for claim in level]
    sentences = [
        f"{NAMES[story.family]}{_marked(story)}. {first.recipe} is cheaper and not worse than {listed(names)}: "
        f"{by(first)}, margin {points(story.margin)}."
    ]
    return " ".join([*sentences, *filter(None, [_beats(story.families.claims)])])


def _open(story: VerdictFacts) -> str:
    families = [NOUNS[family] for family in story.families.candidates]
    candidates = listed(families, "or")
    sentence = f"{candidates[:1].upper()}{candidates[1:]}: {count(story.n, 'example')} cannot tell."
    unsettled = [claim for claim in story.families.claims if claim.over in story.families.candidates]
    for claim in sorted(unsettled, key=lambda claim: claim.difference)[:1]:
        sentence += f" {standing(claim)}."
    beaten = _beats(story.families.claims)
    if provisional(story):
        beaten = f"{beaten[:-1]}{_marked(story)}."
    return " ".join(filter(None, [sentence, beaten, f"Use {story.recommended} for now."]))


def standing(pair: Comparison | FamilyClaim) -> str:
    """How two recipes compare, as observed: "full leads qlora by 5.0 points [0.4, 9.7]"."""
    if pair.difference == 0.0:
        return f"{pair.recipe} and {pair.reference} score the same, {bracket(pair)}"
    verb = "leads" if pair.difference > 0 else "trails"
    low, high = (pair.low, pair.high) if pair.difference > 0 else (-pair.high, -pair.low)
    gap = f"{formatting.points(abs(pair.difference))} points [{formatting.points(low)}, {formatting.points(high)}]"
    return f"{pair.recipe} {verb} {pair.reference} by {gap}"


def _no_difference(story: VerdictFacts) -> str:
    if story.kind == "tie":
        why = f"it is shown not to be worse than any other by {points(story.margin)} points on"
        if any(pair.outcome not in SETTLED for pair in story.mine):
            why = "it has every answer right, and no other can have more, on"
        return (
            f"No measurable difference{_marked(story)}: use {_cheapest(story)}, {story.recommended}; "
            f"{why} {count(story.n, 'example')}."
        )
    return (
        f"No measurable difference between {listed(story.leaders)} on {count(story.n, 'example')}. "
        f"Use {_cheapest(story)}, {story.recommended}, for now."
    )


def _cheapest(story: VerdictFacts) -> str:
    """The recommended recipe's role among the leaders, of which cheaper ones may not work at all."""
    return "the cheapest" if story.recommended == story.leaders[0] else "the cheapest that is shown to work"


def _only(story: VerdictFacts) -> str:
    """One family was run: the sentence is about its recipes."""
    if story.kind in ("tie", "no_difference"):
        return _no_difference(story)
    beaten = [c for c in story.mine if c.outcome == "better"]
    start = f"Use {story.recommended}{'' if story.kind == 'winner' else ' for now'}{_marked(story)}"
    if not beaten:
        return f"{start}."
    closest = min(beaten, key=lambda c: c.difference)
    more = f" and {count(len(beaten) - 1, 'other')} by as much or more" if len(beaten) > 1 else ""
    return f"{start}: it beats {closest.reference} by {by(closest)}{more}."


def meaning(primary: str, summary: RecipeSummary) -> list[str]:
    """What a graded score means: the mean, and how many answers are entirely right."""
    graded = 0.0 < summary.mean < 1.0 and abs(summary.mean - summary.entirely_right) > 1e-9
    if not graded:
        return []
    whole = f"{round(summary.entirely_right * summary.n)} of {summary.n} answers are entirely right"
    if summary.seeds > 1:
        whole = f"{100 * summary.entirely_right:.0f} % of its answers are entirely right"
    if primary == "fields":
        return [f"{summary.recipe}: {100 * summary.mean:.0f} % of the fields are right; {whole}."]
    return [f"{summary.recipe} scores {points(summary.mean)} of 100 on average ({primary}); {whole}."]


def points(value: float) -> str:
    """A score in points, one decimal."""
    return f"{round(100 * value, 1) + 0.0:.1f}"


def mean(summary: RecipeSummary) -> str:
    """A score with its interval: "66.6 [63.9, 70.1]"."""
    return f"{points(summary.mean)} [{points(summary.low)}, {points(summary.high)}]"


def scored(summary: RecipeSummary) -> str:
    """One recipe's score with its interval, n and seeds."""
    seeds = f", {summary.seeds} seeds" if summary.seeds > 1 else ""
    return f"{summary.recipe} scores {mean(summary)} on {summary.n} examples{seeds}"


def by(pair: Comparison | FamilyClaim) -> str:
    """A difference with its interval: "21.0 points [16.2, 25.8]"."""
    return f"{formatting.points(pair.difference)} points {bracket(pair)}"


def ends(pair: Comparison | FamilyClaim) -> str:
    """The same without the unit."""
    return f"{formatting.points(pair.difference)} {bracket(pair)}"


def bracket(pair: Comparison | FamilyClaim) -> str:
    """The interval alone: "[16.2, 25.8]"."""
    return f"[{formatting.points(pair.low)}, {formatting.points(pair.high)}]"


def round_up(count: int) -> int:
    """Two significant figures, rounded up: planning is not more precise than that."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names in a row: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def count(number: int, noun: str) -> str:
    """A number of things: "1 example", "80 examples"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
