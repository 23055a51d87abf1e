"""Two runs on the examples that both scored: the paired difference and what flipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.decide.compare import compare
from harness.decide.table import gather
from harness.decide.values import Comparison, Cost, Jsonable, RunScores
from harness.run.evidence import cost
from harness.store import queries
from harness.store.store import Store

_LUCK = "; provisional: trained with one seed, and another seed may turn it round"


@dataclass(frozen=True, kw_only=True)
class RunPair(Jsonable):
    """`first` minus `second` on their task's primary scorer."""

    first: str
    second: str
    primary: str
    comparison: Comparison
    flips: tuple[dict[str, Any], ...]
    """Examples whose score differs: sample_id, group_id, first, second."""
    sentence: str


def compare_runs(results: Path, first: str, second: str) -> RunPair:
    """Compare two runs, each named by its id or how that begins.

    Raises:
        ConfigError: no such run, other tasks or data, or no example that both scored.
    """
    with Store.open(results) as store:
        a, b = queries.find(store, first), queries.find(store, second)
        _check_comparable(a, b)
        rows = queries.pairs(store, a["id"], b["id"], a["primary_scorer"])
    names = [a["id"], b["id"]]
    binary = any(s["binary"] for s in a["record"]["task"]["scorers"] if s["name"] == a["primary_scorer"])
    sides = zip(names, ("first", "second"), (a["record"], b["record"]), strict=True)
    runs = [_scores(name, side, rows, binary, cost(record)) for name, side, record in sides]
    found = compare(gather(runs), a["margin"] or 0.0)
    if not found:
        raise ConfigError(f"no example was scored by both {names[0]} and {names[1]}")
    flips = tuple(row for row in rows if row["first"] != row["second"])
    return RunPair(
        first=names[0],
        second=names[1],
        primary=a["primary_scorer"],
        comparison=found[0],
        flips=flips,
        sentence=_sentence(found[0], a["primary_scorer"]),
    )


def _check_comparable(a: dict[str, Any], b: dict[str, Any]) -> None:
    if a["id"] == b["id"]:
        raise ConfigError(f"'{a['id']}' cannot be compared with itself", remedy="name two runs")
    for name in ("task", "data_hash", "primary_scorer", "split"):
        if a[name] != b[name]:
            raise ConfigError(
                f"the runs differ in {name}: {a[name]} and {b[name]}",
                remedy="only runs on the same examples can be compared; `harness ls` shows them",
            )


def _scores(name: str, side: str, rows: list[dict[str, Any]], binary: bool, price: Cost) -> RunScores:
    return RunScores(
        recipe=name,
        seed=0,
        ids=tuple(row["sample_id"] for row in rows),
        groups=tuple(row["group_id"] for row in rows),
        values=tuple(row[side] for row in rows),
        binary=binary,
        cost=price,
    )


def _sentence(found: Comparison, primary: str) -> str:
    words = {
        "better": "is better than",
        "worse": "is worse than",
        "equivalent": "is equivalent to",
        "not_worse": "is not worse than",
        "inconclusive": "cannot be told apart from",
    }
    points = [f"{100 * value:+.1f}" for value in (found.difference, found.low, found.high)]
    return (
        f"{found.recipe} {words[found.outcome]} {found.reference}: {points[0]} points of {primary} "
        f"[{points[1]}, {points[2]}]{_LUCK if found.provisional else ''}"
    )
