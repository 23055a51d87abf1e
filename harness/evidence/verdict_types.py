"""The inputs and parts of a verdict: frozen, plain, and JSON through `to_json()`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.core.finite import finite
from harness.core.json_types import JsonValue

Outcome = Literal["better", "worse", "not_worse", "equivalent", "inconclusive"]
VerdictKind = Literal["winner", "tie", "no_difference", "inconclusive", "nothing_works", "nothing_to_compare"]
Family = Literal["prompt", "retrieve", "finetune", "both"]
"""What a recipe does to the base model: prompts it, shows it passages, trains it, or both of the latter."""
FamilyState = Literal["ahead", "level", "open", "only", "nothing_works", "nothing_to_compare"]
ClaimOutcome = Literal["ahead", "level", "open"]
WithinState = Literal["settled", "open", "only"]
Compared = Literal["recipe", "model", "system"]
"""What the rows of a verdict are: recipes of ours, models that another tool asked the same way, or either with the
prompt or the settings as well."""


class Jsonable:
    """A dataclass that turns into plain JSON values; infinities and NaN become null."""

    def to_json(self) -> dict[str, JsonValue]:
        plain = finite(dataclasses.asdict(self))  # type: ignore[call-overload]
        assert isinstance(plain, dict)
        return plain


@dataclass(frozen=True, kw_only=True)
class Cost(Jsonable):
    """What one run costs. Seconds are wall time on the run's machine; None is "not measured"."""

    train_seconds: float = 0.0
    answer_seconds: float = 0.0
    """Seconds per answer at the batch size used."""
    prompt_tokens: float = 0.0
    """Mean tokens in per answer."""
    output_tokens: float = 0.0
    """Mean tokens out per answer."""
    trainable_parameters: int = 0
    peak_memory_bytes: int | None = None
    bytes_to_ship: int = 0
    latency_p50: float | None = None
    latency_p95: float | None = None
    throughput: float | None = None
    """Answers per second at the batch size used."""


@dataclass(frozen=True, kw_only=True)
class ScorerValues(Jsonable):
    """What one scorer other than the primary gave each example of a run, in the order of its ids."""

    name: str
    binary: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class CommonAnswer(Jsonable):
    """A run's most common answer."""

    text: str
    count: int
    n: int
    """Answers in all."""
    wanted: int
    """Examples whose target it is."""


@dataclass(frozen=True, kw_only=True)
class RunScores(Jsonable):
    """One finished run, reduced to what decides: its primary score per test example.

    `ids`, `groups` and `values` have one entry per example. A value of None is an execution
    error or a skipped example: it is left out of every pair, and never counts as wrong.
    """

    recipe: str
    seed: int
    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    values: tuple[float | None, ...]
    binary: bool = False
    cost: Cost = field(default_factory=Cost)
    valid_strict: float = 1.0
    valid_extracted: float = 1.0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failure mode → number of answers, as `failures.label` names them."""
    oracle: bool = False
    """Whether the recipe sees gold passages, which no user has: an upper bound, never a winner."""
    family: Family | None = None
    """None: finetune where something was trained, else prompt (`families.of_run`)."""
    run: str = ""
    """The run's id."""
    weights: str | None = None
    """Names the training whose weights answered; None if nothing was trained, or it is unknown."""
    lessons: int = 0
    """Examples that the weights learned from."""
    lessons_offered: int = 0
    """Examples that were there to learn from; the others were dropped."""
    why_dropped: str = ""
    other_scorers: tuple[ScorerValues, ...] = ()
    common_answer: CommonAnswer | None = None
    """None if it is not known."""
    fields: Mapping[str, float] = field(default_factory=dict)
    """For objects: path of each field → share of the answers that have it right."""
    planned: int | None = None
    """Examples that would have been asked, where answering stopped before, once the verdict was sure; None: all were."""


@dataclass(frozen=True, kw_only=True)
class RecipeSummary(Jsonable):
    """One recipe over its seeds: mean score with its interval, and what it costs.

    The intervals of a verdict's summaries hold together at 95 %, so that the best one's holds as well.
    """

    recipe: str
    seeds: int
    n: int
    """Examples that the score is over: those that every recipe of the verdict has a score for in every seed."""
    mean: float
    low: float
    high: float
    seed_sd: float | None
    """Standard deviation of the mean score over seeds (training noise); None with one seed."""
    valid_strict: float
    valid_extracted: float
    cost: Cost
    failures: Mapping[str, int]
    rank_by_cost: int
    """1 is the cheapest (`cost_order.py` defines the order)."""
    oracle: bool = False
    family: Family = "prompt"
    entirely_right: float = 0.0
    """Share of the scored answers whose score is 1."""
    common_answer: CommonAnswer | None = None
    """Over the seed in which one answer is most common; None if it is not known."""
    fields: Mapping[str, float] = field(default_factory=dict)
    """For objects: path of each field → share of the answers that have it right, mean over seeds."""
    run: str = ""
    """Id of the run with the highest mean."""
    lessons: int = 0
    lessons_offered: int = 0
    why_dropped: str = ""
    """Why the examples between `lessons` and `lessons_offered` were dropped, in the seed that dropped most."""
    missing: int = 0
    """Examples that some seed has no score for."""
    worst_case: float | None = None
    """Mean score over all examples if every missing one is wrong; None where none is missing."""
    planned: int | None = None
    """Examples that would have been asked, where answering stopped before; None: all were."""


@dataclass(frozen=True, kw_only=True)
class Comparison(Jsonable):
    """`recipe` minus `reference`, paired on the same examples."""

    recipe: str
    reference: str
    difference: float
    low: float
    high: float
    """Ends of the interval that decided `outcome`: all intervals of a verdict hold together at 95 %."""
    p: float
    p_holm: float
    """p after Holm's correction over every comparison of the verdict."""
    n: int
    outcome: Outcome
    examples_needed: int | None
    """More test examples that would settle it; 0 when settled, None when no number would."""
    wins: int = 0
    losses: int = 0
    sampling_se: float = 0.0
    """Standard error from the draw of test examples."""
    training_se: float | None = None
    """Standard error from repeated training with other seeds; None when no recipe had two seeds."""
    method: str = ""
    """How the interval and the p-value were computed."""
    provisional: bool = False
    """Whether it rests on one training seed: it holds only if training varies less than is assumed of a recipe
    that nobody measured, or is open and more seeds may settle it."""
    groups: int = 0
    """Independent groups among the `n` examples; equals `n` where no example shares a group."""
    anytime: bool = False
    """Whether its interval is a confidence sequence, because answering stopped once the verdict was sure."""
    whole_group_se: float = 0.0
    """Standard error with one whole group won and one lost, which an interval that shows no difference allows for;
    0 where no example shares a group."""


@dataclass(frozen=True, kw_only=True)
class FamilyStanding(Jsonable):
    """A family and its recipe with the highest mean."""

    family: Family
    recipes: tuple[str, ...]
    """Highest mean first."""
    best: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class FamilyClaim(Jsonable):
    """The verdict's claim about its family against another: `recipe` of the one minus `reference`, the best
    of the other."""

    over: Family
    outcome: ClaimOutcome
    recipe: str
    reference: str
    difference: float
    low: float
    high: float
    provisional: bool
    """Whether any comparison that it rests on is provisional."""


@dataclass(frozen=True, kw_only=True)
class Families(Jsonable):
    """Prompt, retrieve or finetune?

    A family is ahead of another when one of its recipes is shown to be better than every recipe of the
    other. States: `ahead` (one family is ahead of all others), `level` (the cheapest of those that may lead
    is shown not to be worse), `open`, `only` (one family was run), `nothing_works`, `nothing_to_compare`.
    """

    state: FamilyState
    use: Family | None
    """The family to use; while the state is `open`, for now. None if nothing works."""
    candidates: tuple[Family, ...]
    """Families that no other is ahead of, the cheapest first."""
    standings: tuple[FamilyStanding, ...]
    """Highest mean first."""
    claims: tuple[FamilyClaim, ...]
    """`use` against each other family."""
    badge: str
    """The state in a few words."""

    @property
    def provisional(self) -> bool:
        return any(claim.provisional for claim in self.claims if claim.outcome != "open")


@dataclass(frozen=True, kw_only=True)
class Within(Jsonable):
    """Which recipe of the family to use.

    States: `settled`, `open` (recipes of the family cannot be distinguished), `only` (it has one recipe).
    """

    family: Family
    state: WithinState
    recommended: str
    candidates: tuple[str, ...]
    """Recipes of the family that may be best, the cheapest first."""
    provisional: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict(Jsonable):
    """The answer to "which method?", computed once and shown the same everywhere."""

    task: str
    model: str
    primary: str
    margin: float
    n: int
    seeds: int
    kind: VerdictKind
    winner: str | None
    """Set for kind `winner` only."""
    best: str | None
    """The highest mean; not necessarily measurably the best. Never an oracle."""
    recommended: str | None
    """What to use until more is known; equals `winner` where there is one. None if nothing works."""
    leaders: tuple[str, ...]
    """Recipes that are not shown to be worse than the best, cheapest first."""
    sentence: str
    """The headline: families first."""
    reasons: tuple[str, ...]
    summaries: tuple[RecipeSummary, ...]
    """Highest mean first, oracles included."""
    comparisons: tuple[Comparison, ...]
    """The recommended recipe against every other, then the remaining pairs."""
    minimum_detectable_difference: float | None
    next_step: str
    """One command to paste; empty if there is none."""
    evidence: tuple[str, ...]
    """Why that command, the most important reason first."""
    families: Families
    within: Within | None = None
    """None if no family leads."""
    provisional: bool = False
    """Whether the verdict rests on a comparison that is provisional."""
    notes: tuple[str, ...] = ()
    """Lines right under the headline: within the family, other scorers, what a graded score means."""
    constant: RecipeSummary | None = None
    """The best answer that is the same for every example; None if it is not known."""
    compared: Compared = "recipe"
    """What `summaries` are of."""

    def comparison(self, recipe: str, reference: str) -> Comparison | None:
        """The stored comparison of these two, in whichever direction it is stored."""
        wanted = {recipe, reference}
        return next((c for c in self.comparisons if {c.recipe, c.reference} == wanted), None)
