"""Which examples two sides share, and which disappeared, appeared, were renamed or have other contents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from harness.results.pins import Sample

Shared = list[tuple[Sample, Sample]]
"""(pinned, new) pairs of the examples on both sides with the same input and target."""


@dataclass(frozen=True, kw_only=True)
class ExampleChanges:
    """Ids, in their side's order."""

    UNJUDGED: ClassVar[tuple[str, ...]] = ("pinned but not in the run", "changed input or target")
    """The entries of `lines` that keep a pinned example from being judged."""
    vanished: tuple[str, ...] = ()
    """Pinned, and not in the run."""
    appeared: tuple[str, ...] = ()
    """In the run, and not pinned."""
    changed: tuple[str, ...] = ()
    """On both sides, but with another input or target: their scores are not comparable."""
    renamed: tuple[tuple[str, str], ...] = ()
    """(pinned id, new id) of a pinned and a new example with the same input and target."""

    @property
    def not_judged(self) -> int:
        """How many pinned examples could not be compared."""
        return len(self.vanished) + len(self.changed)

    def lines(self) -> list[tuple[str, tuple[str, ...]]]:
        """(what happened, ids), without empty entries."""
        pairs = tuple(f"{old} → {new}" for old, new in self.renamed)
        rows = [
            (self.UNJUDGED[0], self.vanished),
            (self.UNJUDGED[1], self.changed),
            ("not pinned", self.appeared),
            ("same example under another id", pairs),
        ]
        return [(what, ids) for what, ids in rows if ids]


def match(pinned: Iterable[Sample], run: Iterable[Sample]) -> tuple[Shared, ExampleChanges]:
    """Pair two sides by id and contents."""
    old = {sample.id: sample for sample in pinned}
    new = {sample.id: sample for sample in run}
    both = [(old[id], sample) for id, sample in new.items() if id in old]
    vanished = [sample for id, sample in old.items() if id not in new]
    appeared = [sample for id, sample in new.items() if id not in old]
    changes = ExampleChanges(
        vanished=tuple(sample.id for sample in vanished),
        appeared=tuple(sample.id for sample in appeared),
        changed=tuple(after.id for before, after in both if before.example != after.example),
        renamed=tuple(_renamed(vanished, appeared)),
    )
    return [pair for pair in both if pair[0].example == pair[1].example], changes


def _renamed(vanished: list[Sample], appeared: list[Sample]) -> Iterable[tuple[str, str]]:
    """Pairs with the same contents; contents that occur more than once on a side are not paired."""
    counts = Counter(sample.example for sample in appeared)
    before = Counter(sample.example for sample in vanished)
    new = {sample.example: sample.id for sample in appeared if counts[sample.example] == 1}
    for sample in vanished:
        if before[sample.example] == 1 and sample.example in new:
            yield sample.id, new[sample.example]
