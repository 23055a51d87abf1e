"""Gap triage: what the base model lacks, from a few probes and no training.

Each probe asks the base model the same examples under another condition:

    closed_book   the plain prompt                    (recipe zero_shot)
    constrained   decoding held to the format         (zero_shot with constrain: true)
    few_shot      train examples in the prompt        (few_shot)
    bm25          passages that BM25 finds            (bm25_rag)
    gold          the passages that hold the answer   (gold_context)

The score that the plain prompt loses on an example is shared out in this order:

1. *form*: what the constraint or the examples win back, and right answers in the wrong dress.
   Examples mend more than syntax: house codes and house rules, which no constraint knows.
2. *knowledge*: what gold passages win beyond that, where BM25 wins it too or has at least found
   the document; *retrieval*: what gold wins and BM25 misses. Where gold brings the content but
   not the form, half goes to form.
3. The rest is *form* if the answer is still not in the shape asked for, or if retrieval does
   not help and the very answer stands in train (a facts task that is really form); else
   *skill*: nothing mends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import canonical_json
from harness.decide.predictions import MEMORABLE, Gains, Prediction, predict
from harness.decide.values import Jsonable
from harness.stats import clusters as by_cluster
from harness.stats import paired
from harness.stats.resampling import Floats

Gap = Literal["form", "knowledge", "retrieval", "skill"]
GAPS: tuple[Gap, ...] = ("form", "knowledge", "retrieval", "skill")
PROBES = ("closed_book", "constrained", "few_shot", "bm25", "gold")
_OUT_OF_SHAPE = frozenset({"malformed", "wrong_fields", "no_stop", "truncated", "dressed_up"})
_WORDS: Mapping[Gap, tuple[str, str]] = {
    "form": ("the model does not answer in the form asked for", "finetune, or show examples"),
    "knowledge": ("the model lacks facts that retrieval finds", "retrieve"),
    "retrieval": ("the model lacks facts that BM25 does not find", "improve retrieval"),
    "skill": ("nothing in the prompt mends it", "finetune, or take a stronger base model"),
}


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


@dataclass(frozen=True, kw_only=True)
class Share(Jsonable):
    """A gap's part of the lost score, with a 95 % bootstrap interval."""

    gap: Gap
    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Triage(Jsonable):
    """Where the base model's score is lost, and which methods deserve GPU time for it."""

    n: int
    lost: float
    """Mean score that the plain prompt loses: 1 - its mean score."""
    shares: tuple[Share, ...]
    """One per gap, the largest first; they add up to 1."""
    dominant: Gap | None
    """The largest gap; None when nothing is lost."""
    certain: bool
    """Whether the dominant gap is measurably larger than the next."""
    train_overlap: float
    """Share of the examples whose target, word for word, is also a target in train."""
    predictions: tuple[Prediction, ...] = field(default=())
    step: str = ""
    sentence: str = ""


def diagnose(
    probes: Mapping[str, Probe],
    *,
    targets: Sequence[Any],
    train_targets: Sequence[Any],
    groups: Sequence[str | None],
) -> Triage:
    """Triage from probes over the same examples in the same order.

    `closed_book` is required; a probe that does not apply (no corpus, no constraint) is left
    out. Examples that any probe could not score are left out of all.

    Raises:
        ValueError: an unknown probe, no `closed_book`, or no example scored by every probe.
    """
    unknown = set(probes) - set(PROBES)
    if unknown or "closed_book" not in probes:
        raise ValueError(f"probes must be among {', '.join(PROBES)}, with closed_book; got {sorted(probes)}")
    kept = [i for i in range(len(targets)) if all(probe.scores[i] is not None for probe in probes.values())]
    if not kept:
        raise ValueError("no example was scored by every probe")
    seen = {name: _Seen.of(probe, kept) for name, probe in probes.items()}
    known = {_canonical(target) for target in train_targets}
    in_train = np.array([_canonical(targets[i]) in known for i in kept])
    parts = _parts(seen, in_train)
    clusters = by_cluster.codes([groups[i] for i in kept])
    return _triage(parts, seen, clusters, float(in_train.mean()))


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


def _parts(seen: Mapping[str, _Seen], in_train: NDArray[np.bool_]) -> Floats:
    """Lost score per example and gap: (n, 4) in the order of GAPS; rows add up to 1 - closed book."""
    closed = seen["closed_book"]
    form_probes = [closed, *(seen[name] for name in ("constrained", "few_shot") if name in seen)]
    formed = np.max([probe.content for probe in form_probes], axis=0)
    found = seen.get("bm25", closed)
    gold = seen.get("gold", closed)
    informed = np.maximum(gold.content, found.content)
    form = formed - closed.score
    facts = np.maximum(0.0, informed - formed)
    undressed = np.minimum(facts, informed - np.maximum(gold.score, found.score)) / 2
    form, facts = form + undressed, facts - undressed
    won = np.minimum(facts, np.maximum(0.0, found.content - formed))
    by_bm25 = np.where(found.found, facts, won)
    missed, rest = facts - by_bm25, 1.0 - closed.score - form - facts
    shape = form_probes[-1].misshapen
    if "bm25" in seen and in_train.mean() >= MEMORABLE:
        memorable = in_train & (found.content <= formed)
        form, missed = form + np.where(memorable, missed, 0.0), np.where(memorable, 0.0, missed)
        shape = shape | memorable
    form = form + np.where(shape, rest, 0.0)
    return np.stack([form, by_bm25, missed, np.where(shape, 0.0, rest)], axis=1)


def _triage(parts: Floats, seen: Mapping[str, _Seen], clusters: by_cluster.Codes, overlap: float) -> Triage:
    n, lost = len(parts), float(parts.sum(axis=1).mean())
    if lost <= 1e-12:
        return Triage(
            n=n, lost=0.0, shares=(), dominant=None, certain=True, train_overlap=overlap,
            step="none: the plain prompt loses nothing",
            sentence=f"The plain prompt answers all {n} examples right: nothing to mend.",
        )  # fmt: skip
    means = by_cluster.bootstrap(parts, clusters)
    drawn = means / np.maximum(means.sum(axis=1, keepdims=True), 1e-12)
    shares = parts.sum(axis=0) / parts.sum()
    order = np.argsort(-shares, kind="stable")
    found = []
    for place in order:
        low, high = np.quantile(drawn[:, place], [0.025, 0.975])
        found.append(Share(gap=GAPS[place], share=float(shares[place]), low=float(low), high=float(high)))
    certain = bool(np.quantile(drawn[:, order[0]] - drawn[:, order[1]], 0.025) > 0)
    gains = _gains(seen)
    first, second = found[0], found[1]
    meaning, step = _WORDS[first.gap]
    sentence = f"{_percent(first)} of the score that the plain prompt loses is {first.gap}: {meaning}."
    if not certain:
        sentence += f" On {n} examples it is not measurably more than {second.gap} ({_percent(second)})."
    return Triage(
        n=n,
        lost=lost,
        shares=tuple(found),
        dominant=first.gap,
        certain=certain,
        train_overlap=overlap,
        predictions=predict({share.gap: share.share for share in found}, gains, overlap),
        step=step,
        sentence=sentence,
    )


def _gains(seen: Mapping[str, _Seen]) -> Gains:
    """Mean gain of each probe over the plain prompt, with its 95 % interval."""
    gains = {}
    for name, probe in seen.items():
        if name != "closed_book":
            differences = probe.score - seen["closed_book"].score
            low, high = paired.interval(differences, binary=False)
            gains[name] = (float(differences.mean()), float(low[0]), float(high[0]))
    return gains


def _percent(share: Share) -> str:
    return f"{100 * share.share:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _canonical(target: Any) -> str:
    return " ".join(target.lower().split()) if isinstance(target, str) else canonical_json(target)
