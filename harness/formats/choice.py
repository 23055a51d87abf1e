"""One of a fixed list of labels."""

from __future__ import annotations

import re
from dataclasses import dataclass

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

    def parse(self, text: str) -> Parsed | Invalid:
        answer = self._fold(text.strip())
        found = next((choice for choice in self.choices if self._fold(choice) == answer), None)
        if found is not None:
            return Parsed(found)
        return Invalid(f"'{text.strip()[:60]}' is none of the {len(self.choices)} choices")

    def extract(self, text: str) -> str | None:
        """The one choice that stands in the text as whole words; longer ones hide shorter ones."""
        found: set[str] = set()
        rest = text
        for choice in sorted(self.choices, key=len, reverse=True):
            flags = re.IGNORECASE if self.ignore_case else 0
            rest, count = re.subn(rf"(?<!\w){re.escape(choice)}(?!\w)", "\0", rest, flags=flags)
            if count:
                found.add(choice)
        return found.pop() if len(found) == 1 else None

    def begun(self, text: str) -> bool:
        answer = self._fold(text.strip())
        choices = [self._fold(choice) for choice in self.choices]
        return any(choice.startswith(answer) or answer.startswith(choice) for choice in choices)

    def constraint(self) -> Constraint:
        return Constraint(kind="choice", value=self.choices)

    def _fold(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text
