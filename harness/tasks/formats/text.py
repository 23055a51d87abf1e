"""Free text: anything that is not empty."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Invalid, Parsed
from harness.tasks.formats._accepted import first


@dataclass(frozen=True, kw_only=True)
class Text(Format):
    """White space around the answer is not part of it. `max_chars` bounds its length."""

    version = 2

    max_chars: int | None = None

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(targets=("an answer", "übergröße"), any_text=True)

    def parse(self, text: str) -> Parsed | Invalid:
        answer = text.strip()
        if not answer:
            return Invalid("empty")
        if self.max_chars is not None and len(answer) > self.max_chars:
            return Invalid(f"{len(answer)} characters, at most {self.max_chars} allowed")
        return Parsed(answer)

    def render(self, target: JsonValue) -> str:
        """Of several accepted answers, the first is the one to give."""
        return str(first(target))
