"""Whether the answer contains the target, whatever else it says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.characters import plain
from harness.core.json_types import JsonValue
from harness.core.values import Example
from harness.tasks.scorers._normalise import accepted
from harness.tasks.scorers._text import TextScorer


@dataclass(frozen=True, kw_only=True)
class Contains(TextScorer):
    """1 if an accepted target occurs in the answer as whole words, after SQuAD's normalization.

    A target of one letter, such as `A`, is looked for as it is written: in lower case it is an article.
    """

    paper = "Mallen et al. 2023, When Not to Trust Language Models (accuracy by containment)"
    version = 3
    binary = True

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        answer = str(value)
        words = f" {' '.join(self.tokens(answer))} "
        return float(any(self._says(answer, words, str(wanted)) for wanted in accepted(target))), ""

    def _says(self, answer: str, words: str, wanted: str) -> bool:
        letter = plain(wanted).strip()
        if len(letter) == 1 and letter.isalpha():
            return re.search(rf"(?<![\w+#]){letter}(?![\w+#]|-(?!\w))", plain(answer)) is not None or (
                not letter.isascii() and f" {self._joined(letter)} " in words
            )
        looked_for = self._joined(wanted)
        return f" {looked_for} " in words if looked_for else not answer.strip()

    def _joined(self, text: str) -> str:
        return " ".join(self.tokens(text))
