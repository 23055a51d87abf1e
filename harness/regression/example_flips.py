"""Which examples flipped between two runs, how they fail now, and where in the data losses concentrate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.evidence.stats import clusters
from harness.evidence.stats.multiple import holm
from harness.evidence.stats.resampling import Floats
from harness.results.pins import Sample, Snapshot

MOST_VALUES = 30
"""A field of the meta data with more different values is an identifier, not a category."""
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Flip:
    """An example whose primary score changed. `failure` is the failure mode on the side that scored lower."""

    id: str
    before: float
    after: float
    failure: str
    where: Mapping[str, str]
    """The example's categories: the scalar fields of its meta data."""
    group: str | None = None
    """Examples of one group flip together; a group alone says nothing about where losses concentrate."""

    @property
    def lost(self) -> bool:
        return self.after < self.before


@dataclass(frozen=True, kw_only=True)
class Category:
    """Losses of the examples whose `field` is `value`, against all others.

    `p` is one-sided (more losses inside than outside), after Holm's correction over every category of
    every field: Fisher's exact test, or, where examples share groups, a score test whose variance is
    taken over groups, with Student's t on as many groups as
    the smaller side has.
    """

    field: str
    value: str
    n: int
    lost: int
    change: float
    """Mean change of the primary score inside the category."""
    others_n: int
    others_lost: int
    p: float

    @property
    def sentence(self) -> str:
        inside, outside = f"{self.lost} of {self.n}", f"{self.others_lost} of {self.others_n}"
        return f"{self.field} = {self.value}: {inside} examples lost, {outside} elsewhere (p = {self.p:.2g})"


@dataclass(frozen=True, kw_only=True)
class Flips:
    """`lost` and `gained` map a failure mode to its flips, most common first."""

    lost: Mapping[str, tuple[Flip, ...]]
    gained: Mapping[str, tuple[Flip, ...]]
    categories: tuple[Category, ...]
    """Where losses concentrate beyond chance, strongest first."""

    @property
    def counts(self) -> tuple[int, int]:
        """How many examples were lost, and gained."""
        return sum(map(len, self.lost.values())), sum(map(len, self.gained.values()))


def between(before: Snapshot, after: Snapshot) -> Flips:
    """Flips on the examples that both runs scored."""
    old = {sample.id: sample for sample in before.samples}
    details = after.details or before.details
    pairs = [(old[s.id], s) for s in after.samples if s.id in old]
    rows = [flip for pair in pairs if (flip := _flip(*pair, before.primary, details)) is not None]
    changed = [row for row in rows if row.before != row.after]
    return Flips(
        lost=_by_failure(row for row in changed if row.lost),
        gained=_by_failure(row for row in changed if not row.lost),
        categories=_categories(rows),
    )


def _flip(old: Sample, new: Sample, primary: str, details: Mapping[str, Mapping[str, object]]) -> Flip | None:
    a, b = old.values.get(primary), new.values.get(primary)
    if a is None or b is None:
        return None
    failure = (new if b < a else old).failure
    where = {
        name: str(value)
        for name, value in details.get(new.id, {}).items()
        if not isinstance(value, dict | list)
    }
    return Flip(id=new.id, before=a, after=b, failure=failure or "other", where=where, group=new.group)


def _by_failure(rows: Iterable[Flip]) -> dict[str, tuple[Flip, ...]]:
    by_failure: dict[str, list[Flip]] = {}
    for row in rows:
        by_failure.setdefault(row.failure, []).append(row)
    ordered = sorted(by_failure.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: tuple(sorted(items, key=lambda f: f.id)) for name, items in ordered}


def _categories(rows: Sequence[Flip]) -> tuple[Category, ...]:
    categories = []
    for field in sorted({name for row in rows for name in row.where}):
        sizes = Counter(row.where[field] for row in rows if field in row.where)
        if 2 <= len(sizes) <= MOST_VALUES:
            categories += [_category(rows, field, value) for value in sizes]
    adjusted = holm([category.p for category in categories])
    kept = [(p, c) for p, c in zip(adjusted, categories, strict=True) if p <= ALPHA]
    ordered = sorted(kept, key=lambda pair: (pair[0], pair[1].change))
    return tuple(Category(**(vars(category) | {"p": p})) for p, category in ordered)


def _category(rows: Sequence[Flip], field: str, value: str) -> Category:
    inside = [row for row in rows if row.where.get(field) == value]
    lost, all_lost = sum(row.lost for row in inside), sum(row.lost for row in rows)
    return Category(
        field=field,
        value=value,
        n=len(inside),
        lost=lost,
        change=sum(row.after - row.before for row in inside) / len(inside),
        others_n=len(rows) - len(inside),
        others_lost=all_lost - lost,
        p=_p_value(rows, field, value, lost, all_lost),
    )


def _p_value(rows: Sequence[Flip], field: str, value: str, lost: int, all_lost: int) -> float:
    from scipy import stats

    groups = clusters.codes([row.group for row in rows])
    member = np.array([row.where.get(field) == value for row in rows], dtype=float)
    if clusters.count(groups) == len(rows):
        return float(stats.hypergeom.sf(lost - 1, len(rows), all_lost, int(member.sum())))
    losses = np.array([row.lost for row in rows], dtype=float)
    return _p_by_group(member, losses, groups)


def _p_by_group(member: Floats, losses: Floats, groups: clusters.Codes) -> float:
    """One-sided score test of "losses are no more frequent inside"; 1 if one side has a single group."""
    from scipy import stats

    sides = [len(np.unique(groups[member == side])) for side in (1.0, 0.0)]
    scores = clusters.sums((member - member.mean()) * (losses - losses.mean()), groups)[:, 0]
    count = len(scores)
    variance = count / (count - 1) * float((scores**2).sum()) if count > 1 else 0.0
    if min(sides) < 2 or variance == 0.0:
        return 1.0
    return float(stats.t.sf(scores.sum() / math.sqrt(variance), min(sides) - 1))
