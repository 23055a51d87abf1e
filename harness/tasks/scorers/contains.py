"""Whether the answer says the target, whatever it says besides."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.protocols import Scorer
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted, normalise


@dataclass(frozen=True, kw_only=True)
class Contains(Scorer):
    """1 if an accepted target occurs in the answer as whole words, after SQuAD's normalization."""

    paper = "Mallen et al. 2023, When Not to Trust Language Models (accuracy by containment)"
    binary = True

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        answer = f" {normalise(str(value))} "
        return float(any(f" {normalise(str(wanted))} " in answer for wanted in accepted(target))), ""
