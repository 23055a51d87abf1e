"""Triage of made-up probes whose cause is known; answers are drawn anew by each probe, as a model draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.random import Generator

from harness.evidence.triage import Probe, Triage, diagnose

Draw = Callable[[Generator, int], Mapping[str, Probe]]
_ALL = ("closed_book", "constrained", "few_shot", "bm25", "gold")


def probe(
    right: Sequence[bool] | np.ndarray, retrieved: Sequence[bool] = (), failure: str = "wrong_value"
) -> Probe:  # type: ignore[type-arg]
    """Right answers and failures of one probe; `found` says where the passages hold the answer."""
    return Probe(
        scores=tuple(float(value) for value in right),
        failures=tuple(None if value else failure for value in right),
        holds_gold=tuple(bool(value) for value in retrieved),
    )


def chance(rate: float, names: Sequence[str] = _ALL) -> Draw:
    """No probe changes anything: every answer is right with the same chance."""

    def draw(rng: Generator, n: int) -> Mapping[str, Probe]:
        return {name: probe(rng.random(n) < rate) for name in names}

    return draw


def facts(rng: Generator, n: int, *, retrieved: float = 0.9) -> Mapping[str, Probe]:
    """The model lacks facts; BM25 finds the share `found` of them."""
    hit = rng.random(n) < retrieved
    return {
        "closed_book": probe(rng.random(n) < 0.05),
        "few_shot": probe(rng.random(n) < 0.05),
        "bm25": probe(hit & (rng.random(n) < 0.9), list(hit)),
        "gold": probe(rng.random(n) < 0.92, [True] * n),
    }


def shown(rng: Generator, n: int) -> Mapping[str, Probe]:
    """The model lacks facts, and the examples in the prompt happen to hold three of five."""
    return {**facts(rng, n), "few_shot": probe(rng.random(n) < 0.6)}


def unfound(rng: Generator, n: int) -> Mapping[str, Probe]:
    """The model lacks facts, and BM25 finds few of them."""
    return facts(rng, n, retrieved=0.15)


def form(rng: Generator, n: int) -> Mapping[str, Probe]:
    """Plain answers are malformed; the constraint or examples mend them."""
    wrong = probe([False] * n, failure="malformed")
    return {
        "closed_book": wrong,
        "constrained": probe(rng.random(n) < 0.7),
        "few_shot": probe(rng.random(n) < 0.9),
        "bm25": wrong,
        "gold": wrong,
    }


CASES: Mapping[str, tuple[Draw, str]] = {
    "chance, half are right": (chance(0.5), "skill"),
    "chance, a quarter are right": (chance(0.25), "skill"),
    "chance, without a corpus": (chance(0.5, _ALL[:3]), "skill"),
    "facts that BM25 finds": (facts, "knowledge"),
    "facts, which examples hold, too": (shown, "knowledge"),
    "facts that BM25 does not find": (unfound, "retrieval"),
    "form": (form, "form"),
}
"""Name → how its probes are drawn, and the gap that triage should name."""


def triage(draw: Draw, rng: Generator, n: int = 100) -> Triage:
    """One triage of `n` examples."""
    targets = [f"answer {i}" for i in range(n)]
    return diagnose(draw(rng, n), targets=targets, train_targets=["other"], groups=[None] * n)


def right(name: str, repeats: int, seed: int = 1) -> float:
    """Percent of triages of a case that name its gap."""
    draw, gap = CASES[name]
    rng = np.random.default_rng(seed)
    return 100 * sum(triage(draw, rng).dominant == gap for _ in range(repeats)) / repeats
