"""A number, alone or as the conclusion of a worked answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.core.json_types import JsonValue
from harness.core.kinds import knob
from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed
from harness.tasks.formats import _numerals
from harness.tasks.formats._accepted import first
from harness.tasks.formats._answer_number import answer_number


@dataclass(frozen=True, kw_only=True)
class Number(Format):
    """A number in any common notation (`_numerals`); an int where the answer has neither a decimal mark nor an
    exponent. Extraction takes the number that the text concludes with, by the rule of `_answer_number`.

    `decimal` decides between thousands and decimals only where both readings are possible: `1,234` is 1234 with the
    default ".", and 1.234 with ",".
    """

    paper = "Cobbe et al. 2021, GSM8K (the #### convention)"
    version = 4

    decimal: _numerals.DecimalMark = knob(".", key_default=".", doc="the decimal mark of ambiguous numbers")

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(targets=(3, -7.25, 0, 12.0, 1e-7, 1e22, 10**18, 1234567))

    def parse(self, text: str) -> Parsed | Invalid:
        answer = text.strip()
        if _numerals.PLAIN.fullmatch(answer):
            return Parsed(int(answer))
        if len(answer) <= 2 * _numerals.MOST_DIGITS:
            value = _numerals.whole(_numerals.simplified(answer).strip(), self.decimal)
            if value is not None:
                return Parsed(value) if math.isfinite(value) else Invalid("too large for a number")
        return Invalid(f"'{answer[:60]}' is not a number")

    def extract(self, text: str) -> Parsed | Invalid | None:
        answer = answer_number(text, self.decimal)
        return answer if answer is None or isinstance(answer, Invalid) else Parsed(answer)

    def begun(self, text: str) -> bool:
        return any(letter.isdecimal() for letter in text)

    def render(self, target: JsonValue) -> str:
        number = first(target)
        if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
            number = int(number)
        return str(number).replace(".", self.decimal)

    def constraint(self) -> Constraint:
        mark = r"\." if self.decimal == "." else ","
        return Constraint(kind="regex", value=rf"-?[0-9]{{1,20}}({mark}[0-9]{{1,20}})?(e[-+]?[0-9]{{1,3}})?")
