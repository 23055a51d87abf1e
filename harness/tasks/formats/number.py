"""A number, alone or as the last number of a worked answer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed

# At most a hundred groups: without a bound, a long list of groups would take time that grows with its square.
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,100}|[0-9]+)"
_NUMBER = rf"[-+]?(?:{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{{1,3}})?"
_WHOLE = re.compile(_NUMBER)
_MARKED = re.compile(rf"####[ \t]*[$€£]?({_NUMBER})(?!,*\w)")
_INSIDE = re.compile(rf"(?<![\w.]){_NUMBER}(?!\w)")


@dataclass(frozen=True, kw_only=True)
class Number(Format):
    """Thousands may be set off by commas; the value is an int where the answer has neither a point nor an
    exponent. Extraction takes what follows the last `####`, else the last number."""

    paper = "Cobbe et al. 2021, GSM8K (the #### convention)"

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(targets=(3, -7.25, 0, 12.0, 1e-7, 1e22, 10**18, 1234567))

    def parse(self, text: str) -> Parsed | Invalid:
        answer = text.strip()
        if not _WHOLE.fullmatch(answer):
            return Invalid(f"'{answer[:60]}' is not a number")
        plain = answer.replace(",", "")
        value = float(plain)
        if not math.isfinite(value):
            return Invalid("too large for a number")
        return Parsed(int(plain) if re.fullmatch(r"[-+]?[0-9]{1,300}", plain) else value)

    def extract(self, text: str) -> str | None:
        marked = _MARKED.findall(text)
        numbers = marked or _INSIDE.findall(text)
        return numbers[-1] if numbers else None

    def begun(self, text: str) -> bool:
        return any(letter in "0123456789" for letter in text)

    def render(self, target: object) -> str:
        if isinstance(target, float) and target.is_integer() and abs(target) < 1e15:
            return str(int(target))
        return str(target)

    def constraint(self) -> Constraint:
        return Constraint(kind="regex", value=r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[-+]?[0-9]{1,3})?")
