"""Numbers as people write them: their notations, what only looks like one, and its value.

`1,234.5`, `1.234,5`, `1 234,5`, `1'234`, `1,00,000`, `3 1/2`, `½`, `3/4`, `10^{-3}`, `2 × 10⁵`, `5km`, `18元`, `50%`, `$5`,
`1.5 million`, `\\frac{3}{4}`, digits of every script. A time, a date, a version or the number in a name is none.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal, NamedTuple

from harness.core.characters import plain

DecimalMark = Literal[".", ","]
MOST_DIGITS = 300
PLAIN = re.compile(r"[-+]?[0-9]{1,15}")
"""A whole number in ASCII, which needs no further look."""

_LETTER = "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0dff\u1e00-\u1fff"
"""Letters of scripts with spaces: a digit right behind one is part of a name."""
_SPACE = " \u00a0\u202f\u2009"
_GROUPED = rf"[0-9]{{1,3}}(?:[{_SPACE}][0-9]{{3}}(?![0-9]))++(?:[.,][0-9]++)?+"
_RUN = r"[0-9]++(?:[.,'’][0-9]++)*+"
_CURRENCY = r"(?:US\$|R\$|[$€£¥₹₽₩₺₴฿]|(?:USD|EUR|GBP|CHF|Rs\.?)(?=[ 0-9]))[ ]?"
_SCALES = {
    "thousand": 10**3, "million": 10**6, "millions": 10**6, "mio": 10**6, "millionen": 10**6, "millones": 10**6,
    "billion": 10**9, "billions": 10**9, "mrd": 10**9, "milliarden": 10**9, "milliards": 10**9, "trillion": 10**12,
    "lakh": 10**5, "lakhs": 10**5, "crore": 10**7, "crores": 10**7, "k": 10**3, "bn": 10**9,
    "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "만": 10**4, "억": 10**8,
}  # fmt: skip
_SCALE = rf"[ ]?(?i:thousand|millions?|mio|millionen|millones|billions?|mrd|milliarden|milliards|trillion|lakhs?|crores?)(?![{_LETTER}])|(?:k|bn)(?![{_LETTER}0-9])|[ ]?[万萬亿億만억]"
_SHAPE = re.compile(
    rf"(?<![0-9^{_LETTER}])(?<![{_LETTER}]-)(?<![0-9][.,'’/:])"
    rf"(?:(?P<date>[0-9]{{4}}([-/.])[0-9]{{1,2}}\2[0-9]{{1,2}}(?![0-9])|[0-9]{{1,2}}([-/.])[0-9]{{1,2}}\3[0-9]{{2,4}}(?![.,]?[0-9]))"
    r"|(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9]))"
    rf"|(?P<sign>(?<![0-9)\]][{_SPACE}])[-+])?(?P<currency>{_CURRENCY})?(?P<inner>[-+](?=[0-9.]))?"
    r"(?:(?P<whole>[0-9]{1,9})(?:[ ]|[ ]and[ ])(?P<above>[0-9]{1,9})/(?P<below>[0-9]{1,9})(?![/0-9])"
    r"|(?P<top>[0-9]{1,15})[ ]?/[ ]?(?P<bottom>[0-9]{1,15})(?![/0-9])"
    rf"|(?P<run>{_GROUPED}|{_RUN}|\.[0-9]++))"
    rf"(?P<exponent>[eE][-+]?[0-9]{{1,3}}(?![0-9{_LETTER}]))?"
    r"(?P<power>\^[-+]?[0-9]{1,4}(?![.,]?[0-9]))?"
    r"(?P<ten>[ ]?[×x*·][ ]?10\^?(?P<tens>[-+]?[0-9]{1,3})(?![.,]?[0-9]))?"
    rf"(?P<scale>{_SCALE})?"
    rf"(?![0-9_]|[A-Za-z]{{1,3}}[0-9]))"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED = re.compile(r"(?<=[0-9])[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_VULGAR = re.compile(r"([0-9])?([¼-¾⅐-⅞↉])")
_MARKS = str.maketrans({"٫": ".", "٬": "'", "％": "%", "⁄": "/", "∕": "/"})
_INDIAN = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")

_LATEX = (
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?<=[0-9])?\\[dtc]?frac\s*(?:\{([^{}]*)\}|([0-9]))\s*(?:\{([^{}]*)\}|([0-9]))"), r" \1\2/\3\4"),
    (re.compile(r"\\(?:left|right|displaystyle|[,!;:])|\{,\}(?![0-9])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:times|cdot|ast)"), "×"),
    (re.compile(r"\\(?:approx|simeq)"), "≈"),
    (re.compile(r"\^\s*\{\s*([-+]?[0-9]+)\s*\}"), r"^\1"),
    (re.compile(r"\\([$%#&])"), r"\1"),
    (re.compile(r"\\[()\[\]]|\\ |~"), " "),
)  # fmt: skip


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
    if text.isascii():
        return text
    text = _RAISED.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    return _VULGAR.sub(_written_out, text)


def numerals(text: str, decimal: DecimalMark) -> Iterator[Numeral]:
    """Every numeral of a `simplified` text, in order."""
    for match in _SHAPE.finditer(text):
        yield _numeral(match, decimal)


def whole(text: str, decimal: DecimalMark) -> float | None:
    """The value of a text that is a number and nothing else, without unit, currency or LaTeX; else None."""
    match = _SHAPE.fullmatch(text)
    if match is None or match["currency"] or match["scale"]:
        return None
    return _numeral(match, decimal).value


def _written_out(match: re.Match[str]) -> str:
    fraction = unicodedata.normalize("NFKC", match[2]).replace("⁄", "/")
    return f"{match[1]} {fraction}" if match[1] else fraction


def _numeral(match: re.Match[str], decimal: DecimalMark) -> Numeral:
    start, end, text = match.start(), match.end(), match[0]
    if PLAIN.fullmatch(text):
        return Numeral(start, end, text, int(text))
    for what in ("date", "time"):
        if match[what]:
            return Numeral(start, end, text, None, f"a {what}")
    value = _value(match, decimal)
    if value is None or not math.isfinite(value):
        return Numeral(start, end, text, None, "no number in any notation" if value is None else "too large")
    return Numeral(start, end, text.strip(), value)


def _value(match: re.Match[str], decimal: DecimalMark) -> float | None:
    value = _body(match, decimal)
    if value is None:
        return None
    try:
        if match["power"]:
            value = _raised(value, int(match["power"][1:]))
        if match["ten"]:
            tens = int(match["tens"])
            value = _raised(10, tens) * value if tens >= 0 else float(f"{value}e{tens}")
        if match["scale"]:
            value = value * _SCALES[match["scale"].strip().lower()]
    except (OverflowError, ZeroDivisionError, ValueError):
        return math.inf
    return -value if "-" in (match["sign"], match["inner"]) else value


def _raised(base: float, exponent: int) -> float:
    """Base to the exponent; whole where both are, and exact for powers of ten."""
    if base == 10 and exponent < 0:
        return float(f"1e{exponent}")
    if abs(exponent) > MOST_DIGITS or abs(base) > 10**MOST_DIGITS:
        return math.inf
    return (
        base**exponent
        if exponent >= 0 and isinstance(base, int) and abs(base) < 1000
        else float(base) ** exponent
    )


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
    """Digits with marks between them as Python writes the number; None where the marks make none (`1.2.3`).

    Two different marks: the last one is the decimal mark. One that occurs once and has three digits behind it, and one
    to three in front, is read as `decimal` says (`1,234`); otherwise it is the decimal mark (`1,5`).
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
