"""Exact match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.json_types import JsonValue
from harness.core.kinds import knob
from harness.core.probes import ScorerProbe
from harness.core.protocols import Format, Scorer
from harness.core.values import Example
from harness.tasks.scorers import _sql_tree
from harness.tasks.scorers._normalise import accepted
from harness.tasks.scorers._text import TextScorer


@dataclass(frozen=True, kw_only=True)
class Exact(TextScorer):
    """1 where the value equals an accepted target.

    `normalise`: whether texts are compared after SQuAD's normalization. By default free texts are; labels of a
    `choice` are values and compared as they are, SQL statements by their trees.
    """

    paper = "Rajpurkar et al. 2016, SQuAD; Lewis et al. 2020, MLQA (other languages)"
    version = 3
    binary = True

    normalise: bool | None = None
    sql: str | None = knob(
        None, key_default=None, doc="the dialect of SQL statements, set when the task is read"
    )

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(takes="any")

    def for_task(self, form: Format, folder: Path) -> Scorer:
        if form.sql_dialect is not None and not self.normalise:
            return replace(self, normalise=False, sql=form.sql_dialect)
        if self.normalise is not None:
            return self
        return replace(self, normalise=form.labels is None)

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        if not isinstance(value, str):
            right = any(same(value, answer) for answer in (target, *accepted(target)))
        elif self.sql is not None:
            right = any(_sql_tree.same(value, str(answer), self.sql) for answer in accepted(target))
        elif self.normalise is False:
            right = any(value == str(answer) for answer in accepted(target))
        else:
            words = self.tokens(value)
            right = any(words == self.tokens(str(answer)) for answer in accepted(target))
        return float(right), ""


def same(first: object, second: object) -> bool:
    """Equality of JSON values: 1 is 1.0, and true is not 1."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(part, second[name]) for name, part in first.items())
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)
