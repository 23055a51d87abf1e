"""One of a fixed list of labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from harness.core.characters import plain
from harness.core.json_types import JsonValue
from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed
from harness.tasks.formats._accepted import first
from harness.tasks.formats._conclusion import MOST_READ, after_markers
from harness.tasks.formats._mentions import mentions

NAMED = 4
"""Candidates that are named when an answer is ambiguous."""


@dataclass(frozen=True, kw_only=True)
class Choice(Format):
    """The answer is exactly one of `choices`. Extraction finds the only one that is mentioned and not denied, or the
    only one behind the last "the answer is"."""

    version = 2

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
        whole = mentions(text[-MOST_READ:], self.choices, self.ignore_case)
        if len(whole.labels) == 1:
            return Parsed(whole.labels[0])
        for part in after_markers(text):
            concluded = mentions(part.split("\n", 1)[0][:400], self.choices, self.ignore_case).labels
            if len(concluded) == 1:
                return Parsed(concluded[0])
            if concluded:
                break
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

    def _fold(self, text: str) -> str:
        return _folded(text, self.ignore_case)


def _folded(text: str, ignore_case: bool) -> str:
    text = plain(text).strip()
    return text.casefold() if ignore_case else text


@lru_cache(maxsize=64)
def _by_fold(choices: tuple[str, ...], ignore_case: bool) -> dict[str, str]:
    return {_folded(choice, ignore_case): choice for choice in choices}
