"""Text that a regular expression matches from end to end."""

from __future__ import annotations

from dataclasses import dataclass

import regex as engine

from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed

TIMEOUT = 0.5
"""Seconds for one match: a pattern may be exponential, an answer may be hostile."""


@dataclass(frozen=True, kw_only=True)
class Regex(Format):
    """The value is the matched text, or the named groups where the pattern has some."""

    paper = "the package regex (https://github.com/mrabarnett/mrab-regex)"

    pattern: str

    def __post_init__(self) -> None:
        try:
            engine.compile(self.pattern)
        except engine.error as error:
            raise ValueError(f"not a regular expression: {error}") from None

    def parse(self, text: str) -> Parsed | Invalid:
        try:
            found = engine.fullmatch(self.pattern, text.strip(), timeout=TIMEOUT)
        except TimeoutError:
            return Invalid(f"matching took longer than {TIMEOUT} s")
        if found is None:
            return Invalid(f"'{text.strip()[:60]}' does not match {self.pattern}")
        return Parsed(found.groupdict() or found.group())

    def extract(self, text: str) -> str | None:
        try:
            found = engine.search(self.pattern, text, timeout=TIMEOUT)
        except TimeoutError:
            return None
        return None if found is None else found.group()

    def constraint(self) -> Constraint:
        return Constraint(kind="regex", value=self.pattern)
