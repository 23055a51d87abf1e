"""Two runs on the examples that both scored: the paired difference and what flipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core import formatting
from harness.core.errors import ConfigError
from harness.evidence.aggregate import gather
from harness.evidence.pairwise import compare
from harness.evidence.provisional_text import of_these_runs
from harness.evidence.verdict_types import Comparison, Jsonable, RunScores
from harness.results import likeness
from harness.results.database import queries
from harness.results.database.queries import Flip, RunRow
from harness.results.database.store import Store
from harness.results.records.run import RunRecord
from harness.results.run_scores import cost

PAIR = 2
_LUCK = "; provisional: trained with one seed, and another seed may reverse it"


@dataclass(frozen=True, kw_only=True)
class RunPair(Jsonable):
    """`first` minus `second` on their task's primary scorer."""

    first: str
    second: str
    primary: str
    comparison: Comparison
    flips: tuple[Flip, ...]
    """Examples whose score differs."""
    sentence: str
    notes: tuple[str, ...] = ()
    """Differences between the runs other than their recipes, and facts that one of them does not record."""
    in_wider_verdict: bool = False
    """Whether a verdict holds both beside other recipes, so that its interval for this pair is wider."""


def compare_runs(results: Path, first: str, second: str) -> RunPair:
    """Compare two runs, each named by its id or a prefix of it.

    Raises:
        ConfigError: no such run, other tasks, data or scoring, or no example that both scored.
    """
    with Store.open(results) as store:
        a, b = queries.find(store, first), queries.find(store, second)
        _check_comparable(a, b)
        rows = queries.pairs(store, a, b.id, a.primary_scorer)
        several = len(queries.recipes_beside(store, a)) > PAIR
    names = [a.id, b.id]
    binary = a.record.task.binary(a.primary_scorer)
    sides = zip(names, ("first", "second"), (a.record, b.record), strict=True)
    runs = [_scores(name, side, rows, binary, record) for name, side, record in sides]
    comparison = compare(gather(runs), a.margin or 0.0)
    if not comparison:
        raise ConfigError(f"no example was scored in both {names[0]} and {names[1]}")
    flips = tuple(row for row in rows if row.first != row.second)
    return RunPair(
        first=names[0],
        second=names[1],
        primary=a.primary_scorer,
        comparison=comparison[0],
        flips=flips,
        sentence=_sentence(comparison[0], a.primary_scorer),
        notes=tuple(_notes(a.record, b.record)),
        in_wider_verdict=several and a.record.model == b.record.model and a.record.split in (None, "test"),
    )


def _check_comparable(a: RunRow, b: RunRow) -> None:
    if a.id == b.id:
        raise ConfigError(f"'{a.id}' cannot be compared with itself", remedy="name two runs")
    for name in ("task", "data_hash", "primary_scorer", "split"):
        if getattr(a, name) != getattr(b, name):
            raise ConfigError(
                f"the runs differ in {name}: {getattr(a, name)} and {getattr(b, name)}",
                remedy="only runs on the same examples can be compared; `harness ls` shows them",
            )

    unlike = [item for item in _scored(a.record, b.record) if item.known]
    if unlike:
        raise ConfigError(
            f"the runs were scored in different ways: {'; '.join(item.sentence for item in unlike)}",
            remedy="repeat the command of each: stored answers are scored again without calling the model",
        )


def _scored(a: RunRecord, b: RunRecord) -> tuple[likeness.Unlike, ...]:
    return likeness.scored(a.task, b.task)


def _notes(a: RunRecord, b: RunRecord) -> Iterator[str]:
    unknown = [item.fact for item in _scored(a, b) if not item.known]
    if unknown:
        yield f"not recorded by one of the runs, assumed to be the same: {', '.join(unknown)}"
    for item in likeness.answered(a.versions, b.versions):
        yield f"made with different library versions: {item.sentence}"
    if likeness.training_mark(a) is not None and likeness.training_mark(a) == likeness.training_mark(b):
        yield "both use the same trained weights: training noise affects both equally"
    yield from filter(None, (likeness.made_in_parts(a), likeness.made_in_parts(b)))
    if a.task.version != b.task.version:
        yield f"different versions of the task: {a.task.version} and {b.task.version}"
    if a.task.margin != b.task.margin:
        yield f"different margins: {a.task.margin} and {b.task.margin}"
    if a.model.spec == b.model.spec and a.model != b.model:
        yield f"both models are called {a.model.spec}, but their weights differ"


def _scores(name: str, side: str, rows: list[Flip], binary: bool, record: RunRecord) -> RunScores:
    return RunScores(
        recipe=name,
        seed=0,
        ids=tuple(row.sample_id for row in rows),
        groups=tuple(row.group_id for row in rows),
        values=tuple(row.first if side == "first" else row.second for row in rows),
        binary=binary,
        cost=cost(record),
        weights=likeness.training_mark(record),
    )


def _sentence(comparison: Comparison, primary: str) -> str:
    words = {
        "better": "is better than",
        "worse": "is worse than",
        "equivalent": "is equivalent to",
        "not_worse": "is not worse than",
        "inconclusive": "cannot be distinguished from",
    }
    points = [formatting.signed(value) for value in (comparison.difference, comparison.low, comparison.high)]
    return (
        f"{comparison.recipe} {words[comparison.outcome]} {comparison.reference}: {points[0]} points of {primary} "
        f"[{points[1]}, {points[2]}]{_LUCK if of_these_runs(comparison) else ''}"
    )
