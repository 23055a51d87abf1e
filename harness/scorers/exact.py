"""Exact match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.protocols import Scorer
from harness.core.values import Example
from harness.scorers._normalise import accepted, normalise


@dataclass(frozen=True, kw_only=True)
class Exact(Scorer):
    """1 where the value equals an accepted target; texts are compared after SQuAD's normalisation."""

    paper = "Rajpurkar et al. 2016, SQuAD"
    binary = True

    normalise: bool = True

    def score(self, value: Any, target: Any, example: Example) -> tuple[float, str]:
        if isinstance(value, str):
            right = any(self._fold(value) == self._fold(str(answer)) for answer in accepted(target))
        else:
            right = value == target and isinstance(value, bool) == isinstance(target, bool)
        return float(right), ""

    def _fold(self, text: str) -> str:
        return normalise(text) if self.normalise else text
