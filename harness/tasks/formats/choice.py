"""One of a fixed list of labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from harness.core.characters import plain
from harness.core.json_types import JsonValue
from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed
from harness.tasks.formats._accepted import first
from harness.tasks.formats._conclusion import MOST_READ, after_markers
from harness.tasks.formats._mentions import DASHES, leading, mentions

NAMED = 4
"""The most candidates that are named when an answer is ambiguous."""
_SENTENCE = re.compile(r"(?<=[.!؟।])\s+|(?<=[。！])")
_AROUND = " \t*_`#>\"'“”«»「」()[].,:;!。！：，"
_MOST_LINES = 50
_LONGEST = 200
"""The longest line, in characters, that may be a label alone."""


@dataclass(frozen=True, kw_only=True)
class Choice(Format):
    """The answer is exactly one of `choices`. Extraction finds the only one that is mentioned and not denied, else the
    only one in the first sentence behind the last "the answer is" that mentions any, else the one that stands alone on
    the first line."""

    version = 4

    choices: tuple[str, ...]
    ignore_case: bool = True

    def __post_init__(self) -> None:
        if not self.choices or len({self._fold(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError("choices must be one or more different labels")

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(
            settings={"choices": ["red", "green", "light green"]},
            targets=("red", "light green"),
            any_text=True,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        return self.choices

    def parse(self, text: str) -> Parsed | Invalid:
        choice = _by_fold(self.choices, self.ignore_case).get(self._fold(text))
        if choice is not None:
            return Parsed(choice)
        return Invalid(f"'{text.strip()[:60]}' is none of the {len(self.choices)} choices")

    def extract(self, text: str) -> Parsed | Invalid | None:
        text = text[-MOST_READ:]
        whole = mentions(text, self.choices, self.ignore_case)
        if len(whole.labels) == 1:
            return Parsed(whole.labels[0])
        for part in after_markers(text):
            lead = leading(part.split("\n", 1)[0][:400], self.choices, self.ignore_case)
            concluded = (lead,) if lead is not None else self._first_mentioned(part)
            if len(concluded) == 1:
                return Parsed(concluded[0])
            if concluded:
                break
        else:
            alone = self._alone(text) if whole.labels else None
            if alone is not None:
                return Parsed(alone)
        if whole.labels:
            return Invalid(f"ambiguous: {' or '.join(whole.labels[:NAMED])}")
        return Invalid(f"only denied: {' and '.join(whole.denied[:NAMED])}") if whole.denied else None

    def begun(self, text: str) -> bool:
        answer = self._fold(text)
        choices = [self._fold(choice) for choice in self.choices]
        return any(choice.startswith(answer) or answer.startswith(choice) for choice in choices)

    def render(self, target: JsonValue) -> str:
        return str(first(target))

    def constraint(self) -> Constraint:
        return Constraint(kind="choice", value=self.choices)

    def _first_mentioned(self, part: str) -> tuple[str, ...]:
        """The labels of the first sentence that mentions any, within the first line."""
        for sentence in _SENTENCE.split(part.split("\n", 1)[0][:400]):
            labels = mentions(sentence, self.choices, self.ignore_case).labels
            if labels:
                return labels
        return ()

    def _alone(self, text: str) -> str | None:
        """The label that is the whole first line, or its whole first sentence; None if another stands alone,
        too.

        A letter must be the whole line: `B. Paris` is an item of a list.
        """
        lines = text.strip().splitlines()[:_MOST_LINES]
        whole_lines = [self._bare(line) for line in lines]
        sentences = [self._bare(part) for line in lines for part in _SENTENCE.split(line.strip())]
        first = whole_lines[0] or next((label for label in sentences[:1] if label and len(label) > 1), None)
        return first if {*whole_lines, *sentences} - {None} == {first} else None

    def _bare(self, text: str) -> str | None:
        if len(text) > _LONGEST:
            return None
        labels = _by_fold(self.choices, self.ignore_case)
        return labels.get(self._fold(text)) or labels.get(self._fold(text.strip(_AROUND)))

    def _fold(self, text: str) -> str:
        return _folded(text, self.ignore_case)


def _folded(text: str, ignore_case: bool) -> str:
    text = plain(text).translate(DASHES).strip()
    return text.casefold() if ignore_case else text


@lru_cache(maxsize=64)
def _by_fold(choices: tuple[str, ...], ignore_case: bool) -> dict[str, str]:
    return {_folded(choice, ignore_case): choice for choice in choices}
