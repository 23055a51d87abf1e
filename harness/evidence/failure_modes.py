"""Why an answer lost points: one label per answer, the first rule that fits.

The order goes from what hides everything else (the answer was cut off) to what is left when
nothing more specific fits (the value is wrong).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.core import thoughts
from harness.core.characters import folded, word_list
from harness.core.json_types import JsonValue
from harness.core.protocols import Task
from harness.evidence.answers import Answer

ABOUT: Mapping[str, str] = {
    "empty": "no text at all",
    "no_stop": "a complete answer, but the model did not stop after it",
    "repeats_itself": "repeats itself until the token limit, without a complete answer",
    "truncated": "cut off by the token limit before the answer was complete",
    "dressed_up": "the right answer is there, inside text that should not be",
    "refused": "the model declined to answer",
    "copied_from_shot": "the answer of a few-shot example, repeated",
    "malformed": "not in the task's format, even after extraction",
    "wrong_fields": "valid, but fields are missing or invented",
    "unsupported_by_passages": "says what no retrieved passage says",
    "wrong_value": "in the right form, with a wrong value",
}

_REFUSAL = re.compile(
    r"\b(i('m| am) (sorry|unable|not able)|i (can ?not|can't|could not|couldn't|won't|am afraid)"
    r"|as an ai\b|i (do not|don't) (have|know)|unable to (help|answer|provide|determine))",
    re.IGNORECASE,
)
_REFUSAL_WINDOW = 160
"""A refusal is searched for in this many characters from the start: further on, it is part of an answer."""
_COPY_LENGTH = 8
"""Shorter answers repeat by chance."""
_LOOP = re.compile(r"(.{8,}?)\1{2,}$", re.DOTALL)
_LOOP_WINDOW = 400


@dataclass(frozen=True)
class _Answer:
    """A sample row with the properties that the rules test."""

    row: Answer
    task: Task
    shots: Mapping[str, JsonValue]

    @property
    def text(self) -> str:
        """The answer text, without thoughts."""
        return thoughts.split(str(self.row.output), self.task.format.thinking_tags)[0]

    @property
    def value(self) -> JsonValue:
        return self.row.extracted.value

    @property
    def score(self) -> float | None:
        return self.row.score(self.task.primary)

    @property
    def strict(self) -> bool:
        return self.row.strict.valid

    @property
    def extracted(self) -> bool:
        return self.row.extracted.valid

    @property
    def cut(self) -> bool:
        return self.row.finish_reason == "length"

    @property
    def wordy(self) -> bool:
        """Whether the answer is, or should be, plain words and not a structure."""
        return not isinstance(self.row.target, Mapping | list) and not isinstance(self.value, Mapping | list)


def label(row: Answer, task: Task, shots: Mapping[str, JsonValue] | None = None) -> str | None:
    """The failure mode of a row of `samples.jsonl`, or None.

    None means that the answer is right and strictly valid, or that there was no answer to
    judge (an execution error or a skipped example). `shots` maps ids of few-shot examples to
    their targets; without it they are looked up in the task's train split.
    """
    answer = _Answer(row, task, _shown(row, task) if shots is None else shots)
    if not row.answered or answer.score is None:
        return None
    if row.finish_reason == "refused":
        return "refused"
    if answer.score >= 1.0 and answer.strict:
        return None
    return next(name for name, fits in RULES if fits(answer))


def count(rows: Iterable[Answer]) -> dict[str, int]:
    """Failure mode → number of rows, most common first; rows without a failure are left out."""
    return dict(Counter(row.failure for row in rows if row.failure).most_common())


def _shown(row: Answer, task: Task) -> dict[str, JsonValue]:
    ids = set(row.shots)
    if not ids:
        return {}
    return {example.id: example.target for example in task.splits.get("train", ()) if example.id in ids}


def _no_stop(answer: _Answer) -> bool:
    if not answer.cut:
        return False
    complete = answer.extracted and not answer.strict
    return complete or _contains_target(answer)


def _repeats_itself(answer: _Answer) -> bool:
    return answer.cut and bool(_LOOP.search(answer.text.rstrip()[-_LOOP_WINDOW:]))


def _truncated(answer: _Answer) -> bool:
    """An answer that never began in the format is malformed, not cut off."""
    return answer.cut and (answer.extracted or answer.task.format.begun(answer.text))


def _dressed_up(answer: _Answer) -> bool:
    if answer.score is not None and answer.score >= 1.0:
        return True
    return answer.wordy and _contains_target(answer) and not _hedges(answer)


def _refused(answer: _Answer) -> bool:
    if not (answer.wordy or not answer.extracted) or _REFUSAL.search(str(answer.row.target)):
        return False
    return bool(_REFUSAL.search(answer.text[:_REFUSAL_WINDOW].replace("’", "'")))


def _copied(answer: _Answer) -> bool:
    if answer.task.format.labels:
        return False  # with only a few possible answers, repeating one is not a copy
    if isinstance(answer.value, Mapping | list):
        return any(answer.value == shot for shot in answer.shots.values())
    words = _words(answer.text)
    return len(words) >= _COPY_LENGTH and any(words == _words(str(shot)) for shot in answer.shots.values())


def _wrong_fields(answer: _Answer) -> bool:
    target = answer.row.target
    if not isinstance(answer.value, Mapping) or not isinstance(target, Mapping):
        return False
    return set(_paths(answer.value)) != set(_paths(target))


def _unsupported(answer: _Answer) -> bool:
    """Less than half of the answer's words are in the passages or in the question."""
    passages = answer.row.passages
    if not passages or not answer.wordy:
        return False
    known = " ".join([*(p.text for p in passages), *(str(v) for v in (answer.row.input or {}).values())])
    source = set(_words(known).split())
    words = [word for word in _words(answer.text).split() if len(word) > 3 or word.isdigit()]
    return bool(words) and sum(word in source for word in words) < 0.5 * len(words)


def _contains_target(answer: _Answer) -> bool:
    target = answer.row.target
    options = target if isinstance(target, list) else [target]
    if any(isinstance(option, Mapping | list) for option in options):
        return False
    words = f" {_words(answer.text)} "
    return any(_words(str(option)) and f" {_words(str(option))} " in words for option in options)


def _hedges(answer: _Answer) -> bool:
    """Names several of the possible answers, and so contains the right one."""
    words = f" {_words(answer.text)} "
    choices = answer.task.format.labels or ()
    return sum(f" {_words(str(choice))} " in words for choice in choices) > 1


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()) if text.isascii() else word_list(folded(text)))


def _paths(value: JsonValue, prefix: str = "") -> Iterable[str]:
    """Paths of every field, without list positions, so that a list's length does not change its fields."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{prefix}/{key}"
            yield from _paths(item, f"{prefix}/{key}")


RULES: tuple[tuple[str, Callable[[_Answer], bool]], ...] = (
    ("empty", lambda answer: not answer.text.strip() and (answer.score or 0.0) < 1.0),
    ("no_stop", _no_stop),
    ("repeats_itself", _repeats_itself),
    ("truncated", _truncated),
    ("dressed_up", _dressed_up),
    ("refused", _refused),
    ("copied_from_shot", _copied),
    ("malformed", lambda answer: not answer.extracted),
    ("wrong_fields", _wrong_fields),
    ("unsupported_by_passages", _unsupported),
    ("wrong_value", lambda _: True),
)
