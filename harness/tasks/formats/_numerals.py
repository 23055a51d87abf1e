"""Numbers as people write them: their notations, what only looks like one, and its value.

`1,234.5`, `1.234,5`, `1 234,5`, `1'234`, `1,00,000`, `3 1/2`, `½`, `3/4`, `10^{-3}`, `2 × 10⁵`, `5km`, `18元`,
`50%`, `$5`, `1.5 million`, `1億2000万`, `\\frac{3}{4}`, `2√3`, `2π`, `minus 3`, digits of every script. A time,
a date, a ratio, a version, the number in a name or beside a variable (`x + 3`) does not count.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Literal, NamedTuple

from harness.core.characters import plain
from harness.tasks.formats._dates import may_hold_dates, named_dates
from harness.tasks.formats._scales import FACTORS, LETTER, MYRIADS, SCALE

DecimalMark = Literal[".", ","]
MOST_DIGITS = 300
PLAIN = re.compile(r"[-+]?[0-9]{1,15}")
"""A whole number in ASCII, which needs no further look."""

_SPACE = " \u00a0\u202f\u2009"
_GROUPED = rf"[0-9]{{1,3}}(?:[{_SPACE}][0-9]{{3}}(?![0-9]))++(?:[.,][0-9]++)?+"
_RUN = r"[0-9]++(?:[.,'’][0-9]++)*+"
_CURRENCY = r"(?:US\$|R\$|[$€£¥₹₽₩₺₴฿]|(?:USD|EUR|GBP|CHF|Rs\.?)(?=[ 0-9]))[ ]?"
_SHAPE = re.compile(
    rf"(?=[-+.0-9√$€£¥₹₽₩₺₴฿UREGC])(?<![0-9^{LETTER}])(?<![{LETTER}]-)(?<![0-9][.,'’/:])(?<![{LETTER})}}\]π]/)"
    rf"(?:(?P<date>[0-9]{{4}}([-/.])[0-9]{{1,2}}\2[0-9]{{1,2}}(?![0-9])|[0-9]{{1,2}}([-/.])[0-9]{{1,2}}\3[0-9]{{2,4}}(?![.,]?[0-9]))"
    r"|(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9]))|(?P<ratio>[0-9]++(?::[0-9]++)++)|(?P<code>0[xX][0-9A-Fa-f]++)"
    r"|(?P<root>[-+]?(?P<times>[0-9]*+)√(?P<under>[0-9.]++)?(?:/(?P<over>[0-9]++))?)"
    rf"|(?P<sign>(?<![0-9)\]][{_SPACE}])[-+])?(?P<currency>{_CURRENCY})?(?P<inner>[-+](?=[0-9.]))?"
    r"(?:(?P<whole>[0-9]{1,9})(?:[ ]|[ ]and[ ])(?P<above>[0-9]{1,9})/(?P<below>[0-9]{1,9})(?![/0-9])"
    r"|(?P<top>[0-9]{1,15})[ ]?/[ ]?(?P<bottom>[0-9]{1,15})(?![/0-9])"
    rf"|(?P<run>{_GROUPED}|{_RUN}|\.[0-9]++))"
    rf"(?P<exponent>[eE][-+]?[0-9]{{1,3}}(?![0-9{LETTER}]))?"
    r"(?P<power>\^[-+]?[0-9]{1,4}(?![.,]?[0-9]))?"
    r"(?P<ten>[ ]?[×x*·][ ]?10\^?(?P<tens>[-+]?[0-9]{1,3})(?![.,]?[0-9]))?"
    rf"(?P<scale>{SCALE})?(?P<pi>[ ]?(?:π|\\pi\b)(?:/(?P<parts>[0-9]++))?)?"
    rf"(?:(?<=[{MYRIADS}])|(?![0-9_^]|[A-Za-z]{{1,3}}[0-9]|[ ]?[-+*×·][ ]?[b-df-hj-z]\b(?![./])|[nxyz][ ]?[-+*×·/=])))"
)
_VARIABLES = frozenset("bcdfghjklmnopqrstuvwxyz")
"""Letters that stand for a number; `a`, `e` and `i` are words."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED = re.compile(r"(?<=[0-9])[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_SIGN_WORD = re.compile(
    r"(?<![0-9)\]])(?<![0-9)\]] )(?:\b(?:minus|negative|moins|menos|meno|минус|سالب)\s+|[负負]|(?:マイナス|마이너스|ลบ)\s?)(?=[$€£¥]?[0-9])",
    re.IGNORECASE,
)
_PARTS_OF_SIGN_WORDS = ("inus ", "egative ", "oins ", "enos ", "eno ")
"""Every ASCII text that holds a sign in words contains one of them: quicker than the expression."""
_DASH_AS_MINUS = re.compile(r"(?<![\w)\]%°])(?<![0-9%] )–(?=[0-9.])")
_VULGAR = re.compile(r"([0-9])?([¼-¾⅐-⅞↉])")
_MARKS = str.maketrans({"٫": ".", "٬": "'", "％": "%", "⁄": "/", "∕": "/"})
_INDIAN = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")

_LATEX = (
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\sqrt\s*(?:\{\s*([0-9.]+)\s*\}|([0-9]))"), r"√\1\2"),
    (re.compile(r"\\sqrt\b"), "√"),
    (re.compile(r"(?<=[0-9])\s*(?=\\[dtc]?frac)"), " "),
    (re.compile(r"\\[dtc]?frac\s*(?:\{([^{}]*)\}|([0-9]))\s*(?:\{([^{}]*)\}|([0-9]))"), r"\1\2/\3\4"),
    (re.compile(r"\\(?:left|right|displaystyle|[,!;:])|\{,\}(?![0-9])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:times|cdot|ast)"), "×"),
    (re.compile(r"\\pm\b|\+/-"), "±"),
    (re.compile(r"\\(?:approx|simeq)"), "≈"),
    (re.compile(r"\^\s*\{\s*([-+]?[0-9]+)\s*\}"), r"^\1"),
    (re.compile(r"\\([$%#&])"), r"\1"),
    (re.compile(r"\\[()\[\]]|\\ |~"), " "),
)  # fmt: skip


_NO_NUMBERS = {"date": "a date", "time": "a time", "ratio": "a ratio", "code": "a hexadecimal code"}


class Numeral(NamedTuple):
    """A number in a text, or (with `value` None) what only looks like one: `what` says why."""

    start: int
    end: int
    text: str
    value: float | None
    what: str = "number"


def simplified(text: str) -> str:
    """The text in which numerals are looked for: plain digits and signs, LaTeX written out."""
    text = plain(text).translate(_MARKS) if not text.isascii() else text
    if "\\" in text or "{" in text:
        for pattern, written in _LATEX:
            text = pattern.sub(written, text)
    if not text.isascii() or any(part in text for part in _PARTS_OF_SIGN_WORDS):
        text = _SIGN_WORD.sub("-", text)
    if text.isascii():
        return text
    text = _DASH_AS_MINUS.sub("-", text)
    text = _RAISED.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    return _VULGAR.sub(_written_out, text)


def numerals(text: str, decimal: DecimalMark) -> list[Numeral]:
    """Every numeral of a `simplified` text, in order."""
    every = [_numeral(match, decimal) for match in _SHAPE.finditer(text)]
    if not text.isascii():
        every = list(_joined(every))
    if not may_hold_dates(text, (number.value for number in every)):
        return every
    dates = [Numeral(date.start(), date.end(), date[0], None, "a date") for date in named_dates(text)]
    inside = {position for date in dates for position in range(date.start, date.end)}
    apart = (number for number in every if number.start not in inside)
    return sorted([*dates, *apart], key=lambda number: number.start)


def _joined(every: Iterable[Numeral]) -> Iterator[Numeral]:
    """Numerals with those that continue them joined: `1億2000万` is one number."""
    last: Numeral | None = None
    for number in every:
        if last is not None and _continues(last, number):
            value = (last.value or 0) + math.copysign(number.value or 0, last.value or 0)
            last = Numeral(last.start, number.end, last.text + number.text, value)
            continue
        if last is not None:
            yield last
        last = number
    if last is not None:
        yield last


def _continues(first: Numeral, second: Numeral) -> bool:
    factor = FACTORS.get(first.text[-1:], 0) if first.end == second.start else 0
    return (
        factor >= 1000
        and first.value is not None
        and second.value is not None
        and first.text[-1] in MYRIADS
        and 0 <= second.value < factor
    )


def whole(text: str, decimal: DecimalMark) -> float | None:
    """The value of a text that is a number and nothing else, without unit, currency or LaTeX; else None."""
    match = _SHAPE.fullmatch(text)
    if match is None or match["currency"] or match["scale"] or match["root"] or match["pi"]:
        return None
    return _numeral(match, decimal).value


def _written_out(match: re.Match[str]) -> str:
    fraction = unicodedata.normalize("NFKC", match[2]).replace("⁄", "/")
    return f"{match[1]} {fraction}" if match[1] else fraction


def _numeral(match: re.Match[str], decimal: DecimalMark) -> Numeral:
    start, end, text = match.start(), match.end(), match[0]
    if _follows_variable(match.string, start, text):
        return Numeral(start, end, text, None, "part of a formula")
    if PLAIN.fullmatch(text):
        return Numeral(start, end, text, int(text))
    for group, what in _NO_NUMBERS.items():
        if match[group]:
            return Numeral(start, end, text, None, what)
    value = _value(match, decimal)
    if value is None or not math.isfinite(value):
        return Numeral(start, end, text, None, "no number in any notation" if value is None else "too large")
    return Numeral(start, end, text.strip(), value)


def _follows_variable(text: str, start: int, numeral: str) -> bool:
    """Whether a numeral is the right side of an operation on a variable: 2 in `x + 2`."""
    before = text[max(0, start - 5) : start] + (numeral[0] if numeral[0] in "+-" else "")
    left = before.rstrip(" ")
    if not left or left[-1] not in "-+*×·":
        return False
    left = left[:-1].rstrip(" ")
    return left[-1:] in _VARIABLES and not (left[-2:-1].isalpha() or left[-2:-1] == "/")


def _value(match: re.Match[str], decimal: DecimalMark) -> float | None:
    if match["root"]:
        return _root(match)
    value = _body(match, decimal)
    if value is None:
        return None
    try:
        if match["power"]:
            value = _raised(value, int(match["power"][1:]))
        if match["ten"]:
            value = _shifted(value, int(match["tens"]))
        if match["scale"]:
            value = _shifted(value, len(str(FACTORS[match["scale"].strip(" .").lower()])) - 1)
        if match["pi"]:
            value = value * math.pi / int(match["parts"] or 1)
    except (OverflowError, ZeroDivisionError, ValueError):
        return math.inf
    return -value if "-" in (match["sign"], match["inner"]) else value


def _shifted(value: float, tens: int) -> float:
    """A number times a power of ten, as it is written: 6.02 × 10²³ is 6.02e23; whole if the number is."""
    if isinstance(value, int) and tens >= 0:
        return value * _raised(10, tens)
    return float(Decimal(str(value)).scaleb(tens))


def _raised(base: float, exponent: int) -> float:
    """Base to the exponent; whole if both are, and exact for powers of ten."""
    if base == 10 and exponent < 0:
        return float(f"1e{exponent}")
    if abs(exponent) > MOST_DIGITS or abs(base) > 10**MOST_DIGITS:
        return math.inf
    return (
        base**exponent
        if exponent >= 0 and isinstance(base, int) and abs(base) < 1000
        else float(base) ** exponent
    )


def _root(match: re.Match[str]) -> float | None:
    """Of `2√3/5`; None for the root of anything but a number."""
    try:
        root = int(match["times"] or 1) * math.sqrt(float(match["under"])) / int(match["over"] or 1)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    root = int(root) if root.is_integer() else root
    return -root if match["root"].startswith("-") else root


def _body(match: re.Match[str], decimal: DecimalMark) -> float | None:
    if match["below"]:
        above, below = int(match["above"]), int(match["below"])
        return int(match["whole"]) + above / below if above < below else None
    if match["bottom"]:
        return int(match["top"]) / int(match["bottom"]) if int(match["bottom"]) else None
    literal = digits(match["run"], decimal)
    if literal is None or len(literal) > MOST_DIGITS:
        return None if literal is None else math.inf
    if match["exponent"]:
        return float(literal + match["exponent"])
    return int(literal) if literal.isdigit() else float(literal)


def digits(run: str, decimal: DecimalMark) -> str | None:
    """Digits with marks between them as Python writes the number; None if the marks do not form one
    (`1.2.3`).

    Two different marks: the last one is the decimal mark. One that occurs once and has three digits after it,
    and one to three before it, is read as `decimal` says (`1,234`); otherwise it is the decimal mark (`1,5`).
    """
    marks = re.findall(r"[^0-9]", run)
    if not marks:
        return run
    groups = re.split(r"[^0-9]", run)
    last, others = marks[-1], set(marks[:-1])
    fractional = f"{''.join(groups[:-1])}.{groups[-1]}"
    if last in ".," and last not in others:
        if others:
            return fractional if len(others) == 1 and _are_thousands(groups[:-1], run) else None
        if last == decimal or not _are_thousands(groups, run) or groups[0].startswith("0"):
            return fractional
    return "".join(groups) if len({*marks}) == 1 and _are_thousands(groups, run) else None


def _are_thousands(groups: list[str], run: str) -> bool:
    """Whether digits are set in groups of three, or the Indian way (`1,00,000`)."""
    if all(len(group) == 3 for group in groups[1:]):
        return len(groups[0]) <= 3
    return _INDIAN.match(run) is not None and len(groups[-1]) == 3 and all(len(g) == 2 for g in groups[1:-1])
