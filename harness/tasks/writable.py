"""Whether decoding can be held to a task's format: its language compiles, and every target can be written in it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.protocols import Task
from harness.engines.grammar import Language
from harness.tasks.problems import Problem

REFUSED_ABOVE = 0.05
"""If this share of targets is outside the language, decoding is not held to it."""
SHOWN = 3
NOT_ENFORCED = "not enforced while writing: "
"""How a run's note on its constraint begins."""


@dataclass(frozen=True, kw_only=True)
class Unwritable:
    """A target outside the language of its own format: what can still be written of it, and what cannot."""

    split: str
    id: str
    target: str
    written: str

    def __str__(self) -> str:
        rest = self.target[len(self.written) :][:24]
        return (
            f"{self.split} '{self.id}' at {rest!r}"
            if rest
            else f"{self.split} '{self.id}': it ends too early"
        )


@dataclass(frozen=True, kw_only=True)
class Writing:
    """The language of a task's format.

    `fault` says why there is none. `not_enforced` are the parts of a schema that only validation checks.
    """

    fault: str = ""
    not_enforced: tuple[str, ...] = ()
    targets: int = 0
    unwritable: tuple[Unwritable, ...] = ()

    @property
    def share(self) -> float:
        """The targets that cannot be written."""
        return len(self.unwritable) / max(1, self.targets)

    @property
    def refused(self) -> bool:
        return bool(self.fault) or self.share > REFUSED_ABOVE

    @property
    def examples(self) -> str:
        """The first targets that cannot be written, each with where it leaves the language."""
        return "; ".join(str(one) for one in self.unwritable[:SHOWN])

    @property
    def note(self) -> str:
        """What a constrained run's record says; empty if everything is enforced."""
        if not self.not_enforced:
            return ""
        return f"{NOT_ENFORCED}{', '.join(self.not_enforced)}; still validated"


def problems(task: Task) -> Iterator[Problem]:
    """What `validate` reports about the language; a format without one is not a finding."""
    if task.format.constraint() is None:
        return
    language = writing(task)
    if language.fault:
        yield Problem(
            level="note", check="language", message=f"{language.fault}: the constrained recipe is left out"
        )
    if language.unwritable:
        left = "; the constrained recipe is left out" if language.refused else ""
        message = (
            f"{len(language.unwritable):,} of {language.targets:,} targets cannot be written under the schema's grammar"
            f" ({language.examples}): constrained decoding would be held to other answers{left}"
        )
        yield Problem(level="warning", check="language", message=message, ids=_ids(language.unwritable))
    if language.note:
        yield Problem(level="note", check="language", message=language.note)


def _ids(unwritable: Sequence[Unwritable]) -> tuple[str, ...]:
    return tuple(one.id for one in unwritable[:10])


def writing(task: Task) -> Writing:
    """The language of a task, with every target of every split checked against it once; cached per task."""
    known = _KNOWN.get(task)
    if known is None:
        known = _KNOWN[task] = _writing(task)
    return known


class _Tasks:
    """What is known about tasks, by identity, for as long as they live."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Task], Writing]] = {}

    def get(self, task: Task) -> Writing | None:
        reference, known = self._known.get(id(task), (None, None))
        return known if reference is not None and reference() is task else None

    def __setitem__(self, task: Task, value: Writing) -> None:
        key = id(task)
        self._known[key] = weakref.ref(task, lambda _: self._known.pop(key, None)), value


_KNOWN = _Tasks()


def _writing(task: Task) -> Writing:
    constraint = task.format.constraint()
    if constraint is None:
        return Writing(fault=f"format '{task.format.name()}' has no language that decoding can be held to")
    try:
        language = Language(constraint)
    except ValueError as error:
        return Writing(fault=str(error))
    unwritable, known, count = [], dict[str, str | None](), 0
    for split, example_id, text in _targets(task):
        count += 1
        written = known[text] = known[text] if text in known else language.written(text)
        if written is not None:
            unwritable.append(Unwritable(split=split, id=example_id, target=text, written=written))
    return Writing(not_enforced=language.not_enforced, targets=count, unwritable=tuple(unwritable))


def _targets(task: Task) -> Iterator[tuple[str, str, str]]:
    """Every target as text; of several accepted answers, the first, which shots and training use."""
    splits: Mapping[str, tuple[object, ...]] = task.splits
    for split in splits:
        for example in task.splits[split]:
            try:
                yield split, example.id, task.format.render(example.target)
            except (TypeError, ValueError):
                continue  # a target that fails its format is reported as such
