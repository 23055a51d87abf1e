"""Text that a regular expression matches from end to end."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import regex as engine

from harness.core.characters import is_unspaced
from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed
from harness.tasks.formats._conclusion import after_markers

MOST_MATCHES = 50
TIMEOUT = 0.5
"""Seconds for one match: a pattern may be exponential, an answer may be hostile."""


@dataclass(frozen=True, kw_only=True)
class Regex(Format):
    """The value is the matched text, or the named groups where the pattern has some.

    A pattern with named groups needs a `template` that says how they are written as an answer:
    `{h}:{m}` for `(?P<h>[0-9]+):(?P<m>[0-9]+)`.
    """

    paper = "the package regex (https://github.com/mrabarnett/mrab-regex)"
    version = 3

    pattern: str
    template: str = ""

    def __post_init__(self) -> None:
        try:
            groups = set(engine.compile(self.pattern).groupindex)
        except engine.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        named = {name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None}
        if named != groups:
            wanted = "".join(f"{{{name}}}" for name in sorted(groups)) or "none"
            raise ValueError(f"template must use every named group of the pattern and nothing else: {wanted}")

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(
            settings={
                "pattern": "(?P<word>[a-z]+)-(?P<number>[0-9]+)",
                "template": "{word}-{number}",
            },
            targets=({"word": "abc", "number": "12"},),
        )

    def parse(self, text: str) -> Parsed | Invalid:
        try:
            match = engine.fullmatch(self.pattern, text.strip(), timeout=TIMEOUT)
        except TimeoutError:
            return Invalid(f"matching took longer than {TIMEOUT} s")
        if match is None:
            return Invalid(f"'{text.strip()[:60]}' does not match {self.pattern}")
        groups = {name: part or "" for name, part in match.groupdict().items()}
        return Parsed(groups or match.group())

    def extract(self, text: str) -> str | Invalid | None:
        """The first match after the last "the answer is"; elsewhere the only text that matches. A part of a
        longer word or number is not a match."""
        try:
            for part in after_markers(text):
                for answer in self._matches(part):
                    return answer
            different = list(dict.fromkeys(self._matches(text)))
        except TimeoutError:
            return None
        if len(different) > 1:
            return Invalid(f"ambiguous: '{different[0][:60]}' or '{different[1][:60]}'")
        return different[0] if different else None

    def _matches(self, text: str) -> Iterator[str]:
        for match in islice(engine.finditer(self.pattern, text, timeout=TIMEOUT), MOST_MATCHES):
            start, end = match.span()
            if start < end and not (_continues(text, start) or _continues(text, end)):
                yield match.group()

    def render(self, target: object) -> str:
        return self.template.format_map(target) if isinstance(target, Mapping) else str(target)

    def constraint(self) -> Constraint:
        return Constraint(kind="regex", value=self.pattern)


def _continues(text: str, at: int) -> bool:
    """Whether a word or a number goes on across a place in a text: two letters or two digits of one script meet there."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    if left.isdecimal() or right.isdecimal():
        return left.isdecimal() and right.isdecimal()
    return left.isalpha() and right.isalpha() and not (is_unspaced(left) or is_unspaced(right))
