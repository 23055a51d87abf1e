"""How the score that a plain prompt loses is shared out among form, knowledge, retrieval and skill.

On each example, in this order:

1. *form*: what the constraint or the examples win back, and right answers in the wrong dress.
   Examples mend more than syntax: house codes and house rules, which no constraint knows.
2. *knowledge*: what gold passages win beyond that, where BM25 wins it too or has at least found
   the document; *retrieval*: what gold wins and BM25 misses. Where gold brings the content but
   not the form, half goes to form.
3. The rest is *form* if the answer is not even then in the shape asked for, or if retrieval does
   not help on a task whose answers nearly all stand in train (a facts task that is really
   form). If examples bring the shape and passages lose it, no probe had both at once: half is
   form, and of the other half as much is a gap of facts as passages win where the shape holds.
4. What remains is *skill*: nothing mends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.stats.resampling import Floats

Gap = Literal["form", "knowledge", "retrieval", "skill"]
GAPS: tuple[Gap, ...] = ("form", "knowledge", "retrieval", "skill")
MEMORABLE = 0.8
"""With this share of the answers in train, a task can be learnt by heart."""
_OUT_OF_SHAPE = frozenset(
    {"malformed", "wrong_fields", "no_stop", "repeats_itself", "truncated", "dressed_up"}
)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One probe's answers, one entry per example: primary score (None: not scored) and failure label.

    `found` says whether the passages shown hold the gold document; empty when not known.
    """

    scores: tuple[float | None, ...]
    failures: tuple[str | None, ...]
    found: tuple[bool, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], primary: str) -> Probe:
        """From rows of `samples.jsonl`."""
        scores = [next((s["value"] for s in row["scores"] if s["scorer"] == primary), None) for row in rows]
        known = all(row["context_ids"] and row["passages"] for row in rows)
        return cls(
            scores=tuple(scores),
            failures=tuple(row["failure"] for row in rows),
            found=tuple(_holds_gold(row) for row in rows) if known else (),
        )


def _holds_gold(row: Mapping[str, Any]) -> bool:
    return bool({passage["document"] for passage in row["passages"]} & set(row["context_ids"]))


@dataclass(frozen=True)
class _Seen:
    score: Floats
    content: Floats
    """The score, or 1 where the right answer is there in the wrong dress."""
    misshapen: NDArray[np.bool_]
    found: NDArray[np.bool_]

    @classmethod
    def of(cls, probe: Probe, kept: Sequence[int]) -> _Seen:
        score = np.array([probe.scores[i] for i in kept], dtype=np.float64)
        labels = [probe.failures[i] for i in kept]
        dressed = np.array([label == "dressed_up" for label in labels])
        misshapen = np.array([label in _OUT_OF_SHAPE for label in labels])
        found = np.array([bool(probe.found and probe.found[i]) for i in kept])
        return cls(score, np.where(dressed, 1.0, score), misshapen, found)


def share_out(probes: Mapping[str, Probe], kept: Sequence[int], in_train: NDArray[np.bool_]) -> Floats:
    """Lost score per kept example and gap: (n, 4) in the order of GAPS; rows add up to 1 - closed book.

    `in_train` says for each kept example whether its target is also a target in train.
    """
    seen = {name: _Seen.of(probe, kept) for name, probe in probes.items()}
    closed = seen["closed_book"]
    form_probes = [closed, *(seen[name] for name in ("constrained", "few_shot") if name in seen)]
    formed = np.max([probe.content for probe in form_probes], axis=0)
    found, gold = seen.get("bm25", closed), seen.get("gold", seen.get("bm25", closed))
    informed = np.maximum(gold.content, found.content)
    form = formed - closed.score
    facts = np.maximum(0.0, informed - formed)
    undressed = np.minimum(facts, informed - np.maximum(gold.score, found.score)) / 2
    form, facts = form + undressed, facts - undressed
    won = np.minimum(facts, np.maximum(0.0, found.content - formed))
    knowledge = np.where(found.found, facts, won)
    retrieval, rest = facts - knowledge, 1.0 - closed.score - form - facts

    shapeless = form_probes[-1].misshapen
    if "bm25" in seen and in_train.mean() >= MEMORABLE:
        memorable = in_train & (found.content <= formed)
        form, retrieval = form + np.where(memorable, retrieval, 0.0), np.where(memorable, 0.0, retrieval)
        shapeless = shapeless | memorable
    informs = "gold" in seen or "bm25" in seen
    unseen = np.where(gold.misshapen & ~shapeless & informs, rest / 2, 0.0)
    inferred = unseen * _help_of_passages(gold, informed > formed)
    form = form + np.where(shapeless, rest, unseen)
    knowledge = knowledge + np.where(found.found, inferred, 0.0)
    retrieval = retrieval + np.where(found.found, 0.0, inferred)
    return np.stack([form, knowledge, retrieval, np.where(shapeless, 0.0, rest - unseen - inferred)], axis=1)


def _help_of_passages(gold: _Seen, helped: NDArray[np.bool_]) -> float:
    """How often passages help among the answers whose shape lets one judge; 0 when none does."""
    judged = helped | ~gold.misshapen
    return float(helped[judged].mean()) if judged.any() else 0.0
