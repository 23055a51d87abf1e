"""One of a fixed list of labels."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed


@dataclass(frozen=True, kw_only=True)
class Choice(Format):
    """The answer is exactly one of `choices`. Extraction finds the only one that is mentioned."""

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
        answer = self._fold(text.strip())
        for choice in self.choices:
            if self._fold(choice) == answer:
                return Parsed(choice)
        return Invalid(f"'{text.strip()[:60]}' is none of the {len(self.choices)} choices")

    def extract(self, text: str) -> str | None:
        """The only choice that occurs in the text as whole words; longer ones hide shorter ones."""
        matches: set[str] = set()
        rest = text
        for choice in sorted(self.choices, key=len, reverse=True):
            flags = re.IGNORECASE if self.ignore_case else 0
            rest, count = re.subn(rf"(?<!\w){re.escape(choice)}(?!\w)", "\0", rest, flags=flags)
            if count:
                matches.add(choice)
        return matches.pop() if len(matches) == 1 else None

    def begun(self, text: str) -> bool:
        answer = self._fold(text.strip())
        choices = [self._fold(choice) for choice in self.choices]
        return any(choice.startswith(answer) or answer.startswith(choice) for choice in choices)

    def constraint(self) -> Constraint:
        return Constraint(kind="choice", value=self.choices)

    def _fold(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text
