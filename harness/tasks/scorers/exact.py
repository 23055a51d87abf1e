"""Exact match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.probes import ScorerProbe
from harness.core.protocols import Scorer
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted, normalise


@dataclass(frozen=True, kw_only=True)
class Exact(Scorer):
    """1 where the value equals an accepted target; texts are compared after SQuAD's normalization."""

    paper = "Rajpurkar et al. 2016, SQuAD"
    binary = True

    normalise: bool = True

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(takes="any")

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        if isinstance(value, str):
            right = any(self._fold(value) == self._fold(str(answer)) for answer in accepted(target))
        else:
            right = any(same(value, answer) for answer in (target, *accepted(target)))
        return float(right), ""

    def _fold(self, text: str) -> str:
        return normalise(text) if self.normalise else text


def same(first: object, second: object) -> bool:
    """Equality of JSON values: 1 is 1.0, and true is not 1."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(part, second[name]) for name, part in first.items())
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)
