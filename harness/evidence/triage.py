"""Gap triage: what the base model lacks, from a few probes and no training.

Each probe asks the base model the same examples under another condition:

    closed_book   the plain prompt                    (recipe zero_shot)
    constrained   decoding held to the format         (zero_shot with constrain: true)
    few_shot      train examples in the prompt        (few_shot)
    bm25          passages that BM25 finds            (bm25_rag)
    gold          the passages that hold the answer   (gold_context)

`gap_attribution.py` divides what the plain prompt loses among the gaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json
from harness.evidence.gap_attribution import GAPS, MEMORABLE, Gap, Measured, Probe, measure, share_out
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired, simultaneous
from harness.evidence.stats.intervals import LEVEL, wilson
from harness.evidence.stats.resampling import Floats
from harness.evidence.triage_forecast import Gains, Prediction, predict
from harness.evidence.verdict_types import Jsonable

__all__ = ["GAPS", "PROBES", "Gap", "Probe", "Share", "Triage", "diagnose"]

PROBES = ("closed_book", "constrained", "few_shot", "bm25", "gold")
FEW = 30
"""With fewer examples (or groups), a triage is only a hint, and says so."""
_SHOWN_BY: Mapping[Gap, tuple[str, ...]] = {"knowledge": ("bm25", "gold"), "retrieval": ("gold",)}
"""Probes without which a gap cannot be seen; form and skill can be seen in the plain prompt."""
_FORM_PROBES = ("constrained", "few_shot")
_CLEARLY = 0.1
"""From this part of a share on, what no probe wins back is mentioned."""
_WORDS: Mapping[Gap, tuple[str, str]] = {
    "form": ("the model does not answer in the required form", "finetune, or show examples"),
    "knowledge": ("the model lacks facts that retrieval finds", "retrieve"),
    "retrieval": ("the model lacks facts that BM25 does not find", "improve retrieval"),
    "skill": ("nothing in the prompt fixes it", "finetune, or take a stronger base model"),
}

_UNUSED = (
    "retrieval finds the facts, and the model does not use them",
    "finetune with passages in the prompt, or show fewer passages",
)
"""The words for knowledge where passages from BM25 gain nothing, although they hold it."""


@dataclass(frozen=True, kw_only=True)
class Share(Jsonable):
    """A gap's part of the lost score, with a 95 % interval."""

    gap: Gap
    share: float
    low: float
    high: float
    measured: bool = True
    """Whether a probe could show this gap; if not, `share` is 0 and the interval says nothing."""


@dataclass(frozen=True, kw_only=True)
class Triage(Jsonable):
    """Where the base model's score is lost, and which methods are worth GPU time."""

    n: int
    lost: float
    """Mean score that the plain prompt loses: 1 - its mean score."""
    shares: tuple[Share, ...]
    """One per gap, largest first, unmeasured ones last; they add up to 1."""
    dominant: Gap | None
    """The largest gap; None when nothing is lost."""
    certain: bool
    """Whether the dominant gap is measurably larger than the next; never on fewer than `FEW` examples or groups
    (of one size: where a few hold most examples, they count for few)."""
    train_overlap: float
    """Share of the examples whose target, word for word, is also a target in train."""
    predictions: tuple[Prediction, ...] = field(default=())
    step: str = ""
    sentence: str = ""


def diagnose(
    probes: Mapping[str, Probe],
    *,
    targets: Sequence[JsonValue],
    train_targets: Sequence[JsonValue],
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
    known = {_canonical(target) for target in train_targets}
    in_train = np.array([_canonical(targets[i]) in known for i in kept])
    clusters = by_cluster.codes([groups[i] for i in kept])
    measured = measure(probes, kept, in_train)
    return _triage(measured, _gains(probes, kept, clusters), clusters, float(in_train.mean()))


def _triage(measured: Measured, gains: Gains, clusters: by_cluster.Codes, overlap: float) -> Triage:
    n, lost = len(measured.lost), float(measured.lost.mean())
    if lost <= 1e-12:
        return Triage(
            n=n, lost=0.0, shares=(), dominant=None, certain=by_cluster.effective_count(clusters) >= FEW,
            train_overlap=overlap,
            step="none: the plain prompt loses nothing",
            sentence=f"The plain prompt answers all {n} examples right: nothing to fix.{_few(clusters, n)}",
        )  # fmt: skip
    shown = _shown(measured, clusters)
    shares, drawn = _shares(measured, clusters, shown)
    order = np.argsort(-shares, kind="stable")
    ranked = [
        _share(GAPS[index], float(shares[index]), drawn[:, index], measured, clusters) for index in order
    ]
    ranked.sort(key=lambda share: not share.measured)
    groups = by_cluster.effective_count(clusters)
    certain = groups >= FEW and bool(np.quantile(drawn[:, order[0]] - drawn[:, order[1]], 0.025) > 0)
    first = ranked[0]
    second = next(share for share in ranked[1:] if share.measured)
    parts, ends = {s.gap: s.share for s in ranked}, {s.gap: (s.low, s.high) for s in ranked if s.measured}
    predictions = predict(parts, gains, overlap, n=n, lost=lost, few=groups < FEW, ends=ends)
    meaning, step = _advice(first.gap, predictions)
    verb = "is" if groups >= FEW else "looks like"
    sentence = f"{_percent(first)} of the score that the plain prompt loses {verb} {first.gap}: {meaning}."
    if first.gap == "skill" and not shown:
        sentence = f"No probe gains anything that {n} examples can show: {meaning}."
    elif first.gap == "form" and overlap < MEMORABLE:
        sentence += _won_back(gains, shown, lost * first.share)
    if not certain and groups >= FEW and (first.gap != "skill" or shown):
        sentence += f" On {n} examples it is not measurably more than {second.gap} ({_percent(second)})."
    sentence += _unmeasured(ranked)
    if warning := _few(clusters, n):
        sentence = f"{warning.strip()} As a hint only: {sentence[0].lower()}{sentence[1:]}"
    return Triage(
        n=n,
        lost=lost,
        shares=tuple(ranked),
        dominant=first.gap,
        certain=certain,
        train_overlap=overlap,
        predictions=predictions,
        step=step,
        sentence=sentence,
    )


def _advice(gap: Gap, predictions: Sequence[Prediction]) -> tuple[str, str]:
    """What a gap means, and what to do about it; nothing that a prediction rules out."""
    ruled_out = {name for p in predictions if not p.worth and p.certain for name in p.recipes}
    if gap == "knowledge" and "bm25_rag" in ruled_out:
        return _UNUSED
    meaning, step = _WORDS[gap]
    return meaning, step.replace(", or show examples", "") if "few_shot" in ruled_out else step


def _share(gap: Gap, share: float, drawn: Floats, measured: Measured, clusters: by_cluster.Codes) -> Share:
    """A gap's share with the outer ends of the bootstrap and of Wilson's interval over groups: with a few
    identical examples, resampling shows no spread."""
    probes = _SHOWN_BY.get(gap)
    if probes and share == 0.0 and not measured.gains.keys() & set(probes):
        return Share(gap=gap, share=share, low=0.0, high=1.0, measured=False)
    groups = by_cluster.effective_count(clusters)
    ends = wilson(share * groups, groups) if groups > 1 else (0.0, 1.0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Share(
        gap=gap, share=share, low=min(float(low), share, ends[0]), high=max(float(high), share, ends[1])
    )


def _won_back(gains: Gains, shown: set[str], lost: float) -> str:
    """How much of the score that is lost to form a probe brings back, if that is clearly less than all of it."""
    asked = [name for name in _FORM_PROBES if name in gains]
    best = max((name for name in asked if name in shown), key=lambda name: gains[name][0], default=None)
    won = 0.0 if best is None else gains[best][0]
    if not asked or lost - won < _CLEARLY * lost:
        return ""
    if best is None:
        return " No probe wins any of it back."
    return f" The probe {best} wins back {100 * won:.1f} of these {100 * lost:.1f} points, and none the rest."


def _unmeasured(shares: Sequence[Share]) -> str:
    """Which gaps no probe could show."""
    gaps = [share.gap for share in shares if not share.measured]
    if not gaps:
        return ""
    return f" {' and '.join(gaps).capitalize()} {'was' if len(gaps) == 1 else 'were'} not measured."


def _few(clusters: by_cluster.Codes, n: int) -> str:
    """A warning under `FEW` examples or groups."""
    groups = by_cluster.count(clusters)
    if by_cluster.effective_count(clusters) >= FEW:
        return ""
    if groups >= FEW:
        most = int(by_cluster.sizes(clusters).max())
        return f" {most} of {n} examples share one group: at least {FEW} groups of about one size are needed."
    what = f"{n} examples are" if groups == n else f"{n} examples in {groups} groups are"
    if groups == 1:
        what = "One example is" if n == 1 else f"{n} examples of one group are"
    return f" {what} too few to rely on: at least {FEW} are needed."


def _shown(measured: Measured, clusters: by_cluster.Codes) -> set[str]:
    """Probes whose net gain over the plain prompt is more than chance, all of them together at 95 %."""
    level = simultaneous.bonferroni(len(measured.gains), LEVEL)
    return {name for name, gain in measured.gains.items() if _interval(gain, clusters, level)[0] > 0}


def _shares(measured: Measured, clusters: by_cluster.Codes, shown: set[str]) -> tuple[Floats, Floats]:
    """Shares of the lost score, (4,), and the same over bootstrap samples of whole groups, (resamples, 4)."""
    n, shape = len(measured.lost), measured.columns.shape[1:]
    columns = np.hstack([measured.lost[:, None], measured.columns.reshape(n, -1)])
    drawn = by_cluster.bootstrap(columns, clusters)
    lost = np.maximum(drawn[:, 0], 1e-12)
    parts = share_out(
        columns.mean(axis=0)[0],
        columns.mean(axis=0)[1:].reshape(shape),
        form_shown=bool(shown & {"constrained", "few_shot"}),
        facts_shown=bool(shown & {"bm25", "gold"}),
    )
    resampled = share_out(drawn[:, 0], drawn[:, 1:].reshape(-1, *shape))
    return np.clip(parts / parts.sum(), 0.0, 1.0), np.clip(resampled / lost[:, None], 0.0, 1.0)


def _gains(probes: Mapping[str, Probe], kept: Sequence[int], clusters: by_cluster.Codes) -> Gains:
    """Mean gain of each probe's score over the plain prompt's, with intervals that hold together at 95 %."""
    scores = {name: np.array([p.scores[i] for i in kept], dtype=np.float64) for name, p in probes.items()}
    plain, gains = scores.pop("closed_book"), {}
    level = simultaneous.bonferroni(len(scores), LEVEL)
    for name, score in scores.items():
        low, high = _interval(score - plain, clusters, level)
        gains[name] = (float((score - plain).mean()), low, high)
    return gains


def _interval(gain: Floats, clusters: by_cluster.Codes, level: float) -> tuple[float, float]:
    binary = bool(np.isin(gain, (-1.0, 0.0, 1.0)).all())
    low, high = paired.grouped_interval(gain, clusters, binary=binary, level=level)
    return max(low, -1.0), min(high, 1.0)


def _percent(share: Share) -> str:
    return f"{100 * share.share:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _canonical(target: JsonValue) -> str:
    return " ".join(target.lower().split()) if isinstance(target, str) else canonical_json(target)
