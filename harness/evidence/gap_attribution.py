"""How the score that a plain prompt loses is divided among form, knowledge, retrieval and skill.

Only net gains count: what a condition gains over the plain prompt minus what it loses, over all examples
together, and nothing if that is below 0. A probe answers some examples differently by chance; the
best of several probes on each single example would take that for a closed gap. In this order:

1. *form*: what the better of the constraint and the examples wins back, and right answers in the wrong form.
Examples fix more than syntax: in-house codes and rules, which no constraint knows. If the plain answer had the
required form and passages fix it as well, the examples may have held the fact: half is left to 2.
2. *knowledge*: what passages win beyond what form wins too, where BM25 wins it or has at least found
   the document; *retrieval*: what gold wins and BM25 misses. Where gold brings the content but not
   the form, half goes to form.
3. The rest is *form* if the answer does not have the required form, or if retrieval does
   not help on a task whose answers nearly all occur in train (a facts task that is really
   form). If examples bring the form and passages lose it, no probe had both at once: half is
   form, and of the other half as much is a gap of facts as passages gain where the form holds.
An answer that the constraint or the examples bring into the form, and that is wrong in it, is no matter of form.
4. What remains is *skill*: nothing in the prompt fixes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.evidence.answers import Answer
from harness.evidence.ranking import documents_of, gold_of, hits
from harness.evidence.stats.resampling import Floats

Gap = Literal["form", "knowledge", "retrieval", "skill"]
GAPS: tuple[Gap, ...] = ("form", "knowledge", "retrieval", "skill")
MEMORABLE = 0.8
"""With this share of the answers in train, a task can be memorized."""
_OUT_OF_SHAPE = frozenset(
    {"empty", "malformed", "wrong_fields", "no_stop", "repeats_itself", "truncated", "dressed_up"}
)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One probe's answers, one entry per example: primary score (None: not scored) and failure label.

    `holds_gold` says whether the passages shown hold the gold document; empty when not known.
    """

    scores: tuple[float | None, ...]
    failures: tuple[str | None, ...]
    holds_gold: tuple[bool, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Answer], primary: str) -> Probe:
        """From rows of `samples.jsonl`."""
        scores = [row.score(primary) for row in rows]
        known = all(row.context_ids and row.passages for row in rows)
        return cls(
            scores=tuple(scores),
            failures=tuple(row.failure for row in rows),
            holds_gold=tuple(_holds_gold(row) for row in rows) if known else (),
        )


def _holds_gold(row: Answer) -> bool:
    return any(hits(documents_of(row), gold_of(row)))


@dataclass(frozen=True)
class _Outcome:
    score: Floats
    content: Floats
    """The score, or 1 if the right answer is there in the wrong form."""
    misshapen: NDArray[np.bool_]
    holds_gold: NDArray[np.bool_]

    @classmethod
    def of(cls, probe: Probe, kept: Sequence[int]) -> _Outcome:
        score = np.array([probe.scores[i] for i in kept], dtype=np.float64)
        labels = [probe.failures[i] for i in kept]
        dressed = np.array([label == "dressed_up" for label in labels])
        misshapen = np.array([label in _OUT_OF_SHAPE for label in labels])
        holds_gold = np.array([bool(probe.holds_gold and probe.holds_gold[i]) for i in kept])
        return cls(score, np.where(dressed, 1.0, score), misshapen, holds_gold)


_FORM = ("closed_book", "constrained", "few_shot")
_INFORMED = ("gold", "bm25")
_COLUMNS = (
    "form", "informed", "both", "shared", "shared_known", "facts", "undressed", "known", "unfound", "memorable",
    "rest", "shapeless", "unseen", "unseen_found", "helped", "judged",
)  # fmt: skip
"""What is averaged over examples for each pair of a form condition and an informed one."""


@dataclass(frozen=True)
class Measured:
    """Per kept example, what each pair of conditions gains and leaves, and which gains are shown."""

    lost: Floats
    """1 minus the plain prompt's score: (n,)."""
    columns: Floats
    """(n, form conditions, informed conditions, len(_COLUMNS))."""
    gains: Mapping[str, Floats]
    """Probe → content of its answer less the plain prompt's score, (n,)."""


def measure(probes: Mapping[str, Probe], kept: Sequence[int], in_train: NDArray[np.bool_]) -> Measured:
    """Everything that the shares are made of, example by example.

    `in_train` says for each kept example whether its target is also a target in train.
    """
    outcomes = {name: _Outcome.of(probe, kept) for name, probe in probes.items()}
    closed = outcomes["closed_book"]
    forms = [name for name in _FORM if name in outcomes]
    informed: list[str | None] = [name for name in _INFORMED if name in outcomes]
    memorable = in_train if "bm25" in outcomes and in_train.mean() >= MEMORABLE else np.zeros_like(in_train)
    shapeless = _never_in_form([outcomes[name] for name in forms])
    blocks = [
        [_pair(outcomes, outcomes[form], name, shapeless, memorable) for name in informed or [None]]
        for form in forms
    ]
    return Measured(
        lost=1.0 - closed.score,
        columns=np.stack([np.stack(block, axis=1) for block in blocks], axis=1),
        gains={
            name: probe.content - closed.score for name, probe in outcomes.items() if name != "closed_book"
        },
    )


def _never_in_form(conditions: Sequence[_Outcome]) -> NDArray[np.bool_]:
    """Examples whose answer is out of form, and in no condition has the form with a wrong content: (n,)."""
    misshapen = np.any([one.misshapen for one in conditions], axis=0)
    formed_and_wrong = np.any([~one.misshapen & (one.content < 1.0) for one in conditions], axis=0)
    never: NDArray[np.bool_] = misshapen & ~formed_and_wrong
    return never


def _pair(
    outcomes: Mapping[str, _Outcome],
    form: _Outcome,
    name: str | None,
    shapeless: NDArray[np.bool_],
    in_train: NDArray[np.bool_],
) -> Floats:
    """One pair of conditions: (n, len(_COLUMNS)); `name` is None if no probe shows passages."""
    closed = outcomes["closed_book"]
    informed = closed if name is None else outcomes[name]
    bm25, gold = outcomes.get("bm25", closed), outcomes.get("gold", outcomes.get("bm25", closed))
    facts = np.maximum(0.0, informed.content - form.content) * (name is not None)
    undressed = np.minimum(facts, informed.content - informed.score) / 2
    left = facts - undressed
    won = np.minimum(left, np.maximum(0.0, bm25.content - form.content))
    known = np.where(bm25.holds_gold, left, won)
    memorable = in_train & (bm25.content <= form.content)
    rest = 1.0 - np.maximum(form.content, informed.content if name is not None else closed.score)
    out_of_shape = shapeless | memorable
    unseen = np.where(gold.misshapen & ~out_of_shape & (name is not None), rest / 2, 0.0)
    helped = informed.content > form.content
    both = np.minimum(form.content, informed.content) - closed.score
    shared = np.where(closed.misshapen | (name is None), 0.0, both)
    values = {
        "form": form.content - closed.score,
        "informed": (informed.content - closed.score) * (name is not None),
        "both": both,
        "shared": shared,
        "shared_known": np.where(bm25.holds_gold | (bm25.content >= informed.content), shared, 0.0),
        "facts": facts,
        "undressed": undressed,
        "known": known,
        "unfound": left - known,
        "memorable": np.where(memorable, left - known, 0.0),
        "rest": rest,
        "shapeless": np.where(out_of_shape, rest, 0.0),
        "unseen": unseen,
        "unseen_found": np.where(bm25.holds_gold, unseen, 0.0),
        "helped": helped.astype(float),
        "judged": (helped | ~gold.misshapen).astype(float),
    }
    return np.stack([values[column] for column in _COLUMNS], axis=1)


def share_out(lost: Floats, means: Floats, *, form_shown: bool = True, facts_shown: bool = True) -> Floats:
    """Lost score by gap, (..., 4) in the order of GAPS; the gaps add up to `lost`.

    Args:
        lost: mean lost score, (...).
        means: means of `Measured.columns`, (..., form conditions, informed conditions, columns).
        form_shown: whether a probe's gain in form is more than chance; else only right answers in the wrong
        form count.
        facts_shown: whether passages gain more than chance; else they count for nothing.
    """
    forms = means[..., 0, _COLUMNS.index("form")]
    chosen = forms.argmax(axis=-1) if form_shown else np.zeros(forms.shape[:-1], dtype=np.intp)
    picked = np.take_along_axis(means, chosen[..., None, None, None], axis=-3)[..., 0, :, :]
    best = picked[..., _COLUMNS.index("informed")].argmax(axis=-1)
    picked = np.take_along_axis(picked, best[..., None, None], axis=-2)[..., 0, :]
    of = {name: picked[..., column] for column, name in enumerate(_COLUMNS)}

    form = np.clip(of["form"], 0.0, lost)
    informed = np.clip(of["informed"], 0.0, lost) * facts_shown
    both = np.clip(of["both"], 0.0, np.minimum(form, informed))
    facts = np.minimum(informed - both, lost - form)
    rest = lost - form - facts
    shared = np.clip(of["shared"], 0.0, both) / 2
    shared_known = np.clip(of["shared_known"] / 2, 0.0, shared)
    scale, left = _ratio(facts, of["facts"]), _ratio(rest, of["rest"])
    help_ = _ratio(of["helped"], of["judged"]) * facts_shown
    inferred, retrieved = of["unseen"] * left * help_, of["unseen_found"] * left * help_
    form = (
        form - shared + (of["undressed"] + of["memorable"]) * scale + (of["shapeless"] + of["unseen"]) * left
    )
    knowledge = shared_known + of["known"] * scale + retrieved
    retrieval = shared - shared_known + (of["unfound"] - of["memorable"]) * scale + inferred - retrieved
    return np.stack([form, knowledge, retrieval, lost - form - knowledge - retrieval], axis=-1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 1e-12, part / np.where(whole > 1e-12, whole, 1.0), 0.0)
