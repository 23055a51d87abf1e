"""What two numbers must share to be compared: how they were scored, and what answered.

Four questions, each answered from what run records say; what an old record does not say is "unknown",
which is reported and never treated as equal or different.

    scored        were both scored in the same way?  (scorers with settings and versions, primary, format)
    answered      can another library version have changed the answers?
    weights       are two models of one name the same model?  (fingerprints)
    training      do two runs ask the weights of one training?  (weights key, and what the training measured)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import canonical_json, digest
from harness.results import unlike_words
from harness.results.records.run import CellRecord, ModelRecord, RunRecord, TaskRecord

UNKNOWN = "unknown"
LONG = unlike_words.LONG
Identity: TypeAlias = JsonObject | str
"""The settings of a scorer or a format, or why there are none."""
ANSWERING = ("torch", "transformers", "tokenizers", "peft", "bitsandbytes", "llguidance", "rank-bm25")
"""Packages whose version can change an answer."""


@dataclass(frozen=True, kw_only=True)
class Unlike:
    """One fact in which two records differ, or that one of them does not state."""

    fact: str
    before: str
    after: str

    @property
    def known(self) -> bool:
        """Whether both records state it, so that they really differ."""
        return UNKNOWN not in (self.before, self.after)

    @property
    def sentence(self) -> str:
        return f"{self.fact}: {self.before} → {self.after}"


def scored(before: TaskRecord, after: TaskRecord, scorers: Iterable[str] = ()) -> tuple[Unlike, ...]:
    """How the scoring of two records differs.

    Args:
        before, after: the `task` part of two run records.
        scorers: names of the scorers that matter besides the primary ones.
    """
    primary = [side.primary or UNKNOWN for side in (before, after)]
    pairs: list[tuple[str, Identity, Identity]] = [
        ("primary scorer", primary[0], primary[1]),
        ("format", _format(before), _format(after)),
    ]
    for name in dict.fromkeys([*primary, *scorers]):
        if name != UNKNOWN:
            pairs.append((f"scorer {name}", _scorer(before, name), _scorer(after, name)))
    unlike = [(fact, _apart([a, b])) for fact, a, b in pairs if _text(a) != _text(b)]
    return tuple(Unlike(fact=fact, before=old, after=new) for fact, (old, new) in unlike)


def apart(tasks: Sequence[TaskRecord]) -> list[str]:
    """How the primary score of each record was made, in words that tell it from the others: long lists, such as labels, by
    what is in some and not in all."""
    primaries = [task.primary or UNKNOWN for task in tasks]
    scorers = _apart([_scorer(task, name) for task, name in zip(tasks, primaries, strict=True)])
    formats = _apart([_format(task) for task in tasks])
    ways = zip(primaries, scorers, formats, strict=True)
    return [f"{primary}: {scorer}; format: {form}" for primary, scorer, form in ways]


def _apart(identities: Sequence[Identity]) -> list[str]:
    """Settings of scorers or formats as text: short ones whole, long ones by how they differ."""
    known = [one for one in identities if not isinstance(one, str)]
    long = sorted({name for one in known for name, value in one.items() if len(_value(value)) > LONG})
    words = [unlike_words.texts(name, [one.get(name) for one in known]) for name in long]
    of_known: Iterator[Sequence[str]] = iter([[text[at] for text in words] for at in range(len(known))])
    texts = []
    for one in identities:
        if isinstance(one, str):
            texts.append(one)
        else:
            short = {name: value for name, value in one.items() if name not in long}
            texts.append(", ".join(filter(None, [*next(of_known), _settings(short)])))
    return texts


def scoring_mark(task: TaskRecord) -> str:
    """A short hash of how a record's primary score was made, and on which data."""
    primary = task.primary or UNKNOWN
    data = [task.version, task.data_hash]
    return digest([primary, _text(_scorer(task, primary)), _text(_format(task)), data])[:4]


def scored_with(task: TaskRecord) -> str:
    """How a record's primary score was made, in words: "fields, ignore_case=true, version=1"."""
    primary = task.primary or UNKNOWN
    return f"{primary}: {_text(_scorer(task, primary))}; format: {_text(_format(task))}"


def ways(groups: Sequence[Hashable], tasks: Sequence[TaskRecord]) -> list[str]:
    """How each of some records was scored (`scored_with`), an old one that does not say it along with the others.

    Args:
        groups: what each record is reported under; an old record counts as scored in the one way that is
            known in its group, if there is only one.
        tasks: the `task` parts of the records.
    """
    known: dict[Hashable, set[str]] = {}
    for group, task in zip(groups, tasks, strict=True):
        if UNKNOWN not in (_text(_scorer(task, str(task.primary))), _text(_format(task))):
            known.setdefault(group, set()).add(scored_with(task))
    scorings = []
    for group, task in zip(groups, tasks, strict=True):
        way, others = scored_with(task), known.get(group, set())
        old = way not in others and len(others) == 1 and UNKNOWN in way
        scorings.append(next(iter(others)) if old else way)
    return scorings


def answered(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> tuple[Unlike, ...]:
    """Packages that can change an answer and whose recorded versions differ.

    Args:
        before, after: the `versions` part of two records; a package that neither has is the same.
    """
    if not before or not after:
        return () if (before or {}) == (after or {}) else (_versions_unknown(before, after),)
    versions = [(name, before.get(name, "none"), after.get(name, "none")) for name in ANSWERING]
    return tuple(Unlike(fact=name, before=a, after=b) for name, a, b in versions if a != b)


def training_mark(record: RunRecord) -> str | None:
    """A short hash of the one training that a run's weights come from; None if nothing was trained.

    Runs with the same weights key take the weights from each other, with what the training measured. The same training
    done again measures other seconds: it may differ in things outside the key, such as library versions or
    the machine.
    """
    train = record.train
    if record.weights_key is None or train is None or train.seconds is None:
        return None
    return digest([record.weights_key, train.seconds, train.best_dev_loss, train.best_dev_score])[:12]


def made_in_parts(record: CellRecord) -> str:
    """In words: which parts of a run were made by other library versions than the rest; empty if none
    were."""
    unlike = {
        f"{item.fact} {item.before}, now {item.after}"
        for versions in record.earlier_versions
        for item in answered(versions, record.versions)
    }
    if not unlike:
        return ""
    made = "; ".join(sorted(unlike))
    return f"{record.id}: some of its answers or its weights were made with {made}; run it again with --fresh"


def model_names(models: Sequence[ModelRecord], among: Sequence[ModelRecord] | None = None) -> list[str]:
    """What each of some models is called: its spec, with a mark of its weights if one spec has several.

    Args:
        models: the `model` parts of run records.
        among: those that count as several; by default `models`.
    """
    weights: dict[str, set[str]] = {}
    for model in models if among is None else among:
        weights.setdefault(_spec(model), set()).add(model.fingerprint or UNKNOWN)
    return [
        f"{_spec(model)} ·{(model.fingerprint or UNKNOWN)[:4]}"
        if len(weights.get(_spec(model), ())) > 1
        else _spec(model)
        for model in models
    ]


def _spec(model: ModelRecord) -> str:
    """A model's spec; for a server without the limits, which say how fast it is asked, not which model."""
    return model.spec.partition("#")[0] if model.spec.startswith("openai:") else model.spec


def _versions_unknown(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> Unlike:
    sides = ["recorded" if side else UNKNOWN for side in (before, after)]
    return Unlike(fact="library versions", before=sides[0], after=sides[1])


def _scorer(task: TaskRecord, name: str) -> Identity:
    """A scorer's settings and version; "none" if the task has no such scorer."""
    scorer = task.scorer(name)
    if scorer is None:
        return "none"
    return UNKNOWN if scorer.identity is None else scorer.identity


def _format(task: TaskRecord) -> Identity:
    return UNKNOWN if task.format is None else task.format


def _text(identity: Identity) -> str:
    """Text that is equal for equal settings."""
    return identity if isinstance(identity, str) else _settings(identity)


def _settings(identity: JsonObject) -> str:
    """Settings as `name=value`, without the kind; a long value by its hash."""
    parts = []
    for name, value in sorted(identity.items()):
        text = _value(value)
        parts.append(f"{name}={text if len(text) <= LONG else digest(value)[:8]}")
    return ", ".join(parts)


def _value(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_json(value)
