"""What the scorers that compare short texts have in common."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.kinds import knob
from harness.core.protocols import Scorer
from harness.tasks.scorers import _normalise


@dataclass(frozen=True, kw_only=True)
class TextScorer(Scorer):
    """Texts are compared word by word, after normalization.

    `language` decides which words are articles, and so do not count; `ignore_diacritics` makes `é` equal `e`.
    """

    language: str = knob("en", key_default="en", doc="whose articles do not count; 'none': every word does")
    ignore_diacritics: bool = knob(False, key_default=False, doc="whether accented letters equal plain ones")

    def __post_init__(self) -> None:
        if self.language not in _normalise.ARTICLES:
            raise ValueError(f"language must be one of {', '.join(_normalise.ARTICLES)}")

    def tokens(self, text: str) -> tuple[str, ...]:
        """The words of a text that count."""
        return _normalise.tokens(text, self.language, ignore_diacritics=self.ignore_diacritics)
