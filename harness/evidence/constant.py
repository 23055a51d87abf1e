"""The best constant answer: what a program that never reads the question would score.

For every format it is the train target with the highest mean score over train; for objects, also the object
made of each field's most common value. It is chosen on train and scored on test by the task's own scorers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core import score_range
from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import canonical_json
from harness.core.protocols import Scorer, Task
from harness.core.values import Example, Parsed
from harness.evidence.verdict_types import Cost, Jsonable, RunScores
from harness.evidence.works import CONSTANT

CANDIDATES, FINALISTS = 100, 10
"""How many targets are tried, most common first, and how many of them are tried on more examples."""
COMMONEST = 5
"""So many of the most common targets are finalists regardless of the first round."""
FEW, MANY = 20, 200
"""Train examples that all candidates and the finalists are scored on, spread evenly over train."""
SPLIT = "test"


@dataclass(frozen=True, kw_only=True)
class Constant(Jsonable):
    """An answer, and its value by each scorer on each test example (None: the scorer failed)."""

    answer: str
    scores: Mapping[str, Mapping[str, float | None]]
    """Scorer → example id → score."""

    def run(self, primary: str, binary: bool, asked: Mapping[str, str | None]) -> RunScores | None:
        """Its scores on the given examples (id → group), as if it were a recipe."""
        known = self.scores.get(primary, {})
        ids = tuple(id_ for id_ in asked if id_ in known)
        if not ids:
            return None
        return RunScores(
            recipe=CONSTANT,
            seed=0,
            ids=ids,
            groups=tuple(asked[id_] for id_ in ids),
            # A file from before scorers were held to [0, 1] may have other values.
            values=tuple(known[id_] if score_range.valid(known[id_]) else None for id_ in ids),
            binary=binary,
            cost=Cost(),
            family="prompt",
        )


@dataclass(frozen=True, eq=False)
class _Candidate:
    text: str
    value: JsonValue


def constant_answer(task: Task) -> Constant | None:
    """The best constant answer; None if train has no target that the task's format can parse.

    Raises:
        ConfigError: a scorer gave a value that is not a score within [0, 1].
    """
    train, test = task.splits.get("train", ()), task.splits.get(SPLIT, ())
    candidates = _candidates(task, train)
    if not candidates or not test:
        return None
    scorer = next(scorer for scorer in task.scorers if scorer.name() == task.primary)
    rough = _best(candidates, scorer, _spread(train, FEW), FINALISTS)
    finalists = list(dict.fromkeys([*candidates[:COMMONEST], *rough]))
    (best,) = _best(finalists, scorer, _spread(train, MANY), 1)
    scores = {s.name(): {e.id: _score(s, best.value, e) for e in test} for s in task.scorers}
    return Constant(answer=best.text, scores=scores)


def _candidates(task: Task, train: Sequence[Example]) -> list[_Candidate]:
    targets = [target for example in train for target in _accepted(task, example.target)]
    common = Counter(canonical_json(target) for target in targets)
    by_key = {canonical_json(target): target for target in targets}
    chosen = [by_key[key] for key, _ in common.most_common(CANDIDATES)]
    if objects := [target for target in targets if isinstance(target, Mapping)]:
        chosen.append(_commonest_fields(objects))
    answers = (_read(task, target) for target in chosen)
    return [candidate for candidate in answers if candidate is not None]


def _accepted(task: Task, target: JsonValue) -> Sequence[JsonValue]:
    """Each of several accepted answers; a list that is itself the answer stays whole."""
    if not isinstance(target, list | tuple) or not target:
        return [target]
    whole = _read(task, target)
    return [target] if whole is not None and isinstance(whole.value, list) else target


def _read(task: Task, target: JsonValue) -> _Candidate | None:
    """A target as an answer that the format can parse; None if it cannot."""
    try:
        text = task.format.render(target)
        parsed = task.format.read(text).extracted
    except (TypeError, ValueError, LookupError, ArithmeticError):
        return None
    return _Candidate(text, parsed.value) if isinstance(parsed, Parsed) else None


def _commonest_fields(objects: Sequence[JsonObject]) -> dict[str, JsonValue]:
    """Each field that most objects have, with its most common value."""
    fields: dict[str, JsonValue] = {}
    for name in dict.fromkeys(name for item in objects for name in item):
        values = [item[name] for item in objects if name in item]
        if 2 * len(values) < len(objects):
            continue
        inner = [value for value in values if isinstance(value, Mapping)]
        if 2 * len(inner) > len(values):
            fields[name] = _commonest_fields(inner)
        else:
            fields[name] = _commonest(values)
    return fields


def _commonest(values: Sequence[JsonValue]) -> JsonValue:
    known = {canonical_json(value): value for value in values}
    counts = Counter(canonical_json(value) for value in values)
    return known[counts.most_common(1)[0][0]]


def _spread(examples: Sequence[Example], count: int) -> list[Example]:
    """`count` examples at even distances, or all."""
    if len(examples) <= count:
        return list(examples)
    return [examples[index * len(examples) // count] for index in range(count)]


def _best(
    candidates: Sequence[_Candidate], scorer: Scorer, examples: Sequence[Example], count: int
) -> list[_Candidate]:
    """The candidates with the highest mean score; of equal ones, the more common."""

    def mean(candidate: _Candidate) -> float:
        scores = [_score(scorer, candidate.value, example) for example in examples]
        return sum(score for score in scores if score is not None) / len(examples)

    return sorted(candidates, key=mean, reverse=True)[:count]


def _score(scorer: Scorer, value: JsonValue, example: Example) -> float | None:
    try:
        score = float(scorer.score(value, example.target, example)[0])
    except Exception:  # a scorer's crash is a fact about the scorer, as in a run
        return None
    if not score_range.valid(score):
        raise score_range.refused(scorer.name(), example.id, score, remedy="")
    return score
