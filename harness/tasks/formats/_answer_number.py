"""Which of the numbers in a worked answer is the answer.

The rule, in this order:

1. What follows a marker (`####`, `\\boxed{…}`, "the answer is …", "Answer: …") is searched first, starting
from the last marker.
   There, the first number counts; otherwise the last sentence that holds a number is searched.
2. In an equation, the side that is one number is the answer: 7 in `3 + 4 = 7` and in `7 = 3 + 4`.
3. Alternatives, ranges and lists (`7 or 8`, `10-15`, `7 and 8`, `[7,8]`) are ambiguous.
4. One value, however often, is the answer; of several, the first after the last "so", "therefore", "is", …
is.
5. Anything else is ambiguous. Times, dates, versions, footnotes, list numbers and denied numbers ("not 7")
are not candidates.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from harness.core.values import Invalid
from harness.tasks.formats._conclusion import MOST_READ, after_markers
from harness.tasks.formats._dates import MONTH
from harness.tasks.formats._denial import is_denied_number, may_deny_numbers
from harness.tasks.formats._numerals import DecimalMark, Numeral, numerals, simplified

_SENTENCE = re.compile(rf"(?<=[.!?؟।])\s+(?!{MONTH}\b)|(?<=[。！？])|\n+")
_EQUALS = re.compile(r"=|≈|\bequals\b|\bis equal to\b")
_OPERATOR = re.compile(r"\s*[-+*/×÷·−x]\s*")
_JOINED = re.compile(
    r"[^\w\s,]{0,3}\s*(?:[-–—~～〜]|,\s|\b(?:or|and|to|oder|und|bis|ou|et|à|o|u|y|e|a|или|и|до|أو|و|या|और|veya|ve)\b"
    r"|または|か|或者?|和|到|至|与|및|또는)\s*(?:[a-z](?:_\{?[0-9]\}?)?\s*=\s*)?[$€£¥]?"
)
_NAMED = re.compile(r"(?:\A|[^\w\s+*/-]|[A-Za-z]{2})\s*[a-z](?:_\{?[0-9]\}?)?\s*=\s*\Z")
"""A variable alone before a number: `x =`, not `y - x =`."""
_CUES = (
    r"so|thus|hence|therefore|then|total|altogether|makes?|gives?|leaves?|is|are|equals|also|somit|daher|insgesamt|ist|sind"
    r"|donc|est|sont|entonces|es|son|totale|sono|portanto"
)
_ASCII_CUE = re.compile(rf"\b(?:{_CUES})\b", re.IGNORECASE)
_CUE = re.compile(
    rf"\b(?:{_CUES}|são|итого|значит|поэтому)\b|→|⇒|所以|因此|一共|共|是|为|為|つまり|よって", re.IGNORECASE
)
_LABELLED = re.compile(
    r"(?:\b(?:step|question|problem|example|figure|table|chapter|page|section|case|line|no\.)\s|#)\s*$",
    re.IGNORECASE,
)
_BRACKET_BEFORE, _BRACKET_BEHIND = re.compile(r"\[[\d\s.,;–-]*\Z"), re.compile(r"[\d\s.,;–-]*\]")
"""Around the numbers of a footnote: `[7]`, `[7, 8]`."""
_PAIR = re.compile(r"(-?[0-9]+),([0-9]+)")
_BRACKETS = ("[]", "()", "{}", "[)", "(]")
_LIST_NUMBER = re.compile(r"\A\s*(?:[*_>-]+\s*)?\Z")


def answer_number(text: str, decimal: DecimalMark) -> float | Invalid | None:
    """The number that a text gives as its answer; or why there is none; None if there is no numeral at
    all."""
    for part in after_markers(text):
        answer = _first(simplified(part[:2000]), decimal)
        if answer is not None:
            return answer
    return _concluded(simplified(text[-MOST_READ:]), decimal)


def _first(text: str, decimal: DecimalMark) -> float | Invalid | None:
    """The first number after a marker, unless it is one of several alternatives or part of an equation."""
    for sentence in _SENTENCE.split(text):
        numbers = [number for number in _candidates(sentence, decimal) if number.value is not None]
        if numbers:
            answer = _by_equation(sentence, numbers)
            if answer is None:
                answer = _alternatives(sentence, numbers[0], numbers)
            return numbers[0].value if answer is None else answer
    return None


def _concluded(text: str, decimal: DecimalMark) -> float | Invalid | None:
    nothing: Invalid | None = None
    for sentence in reversed(_SENTENCE.split(text)):
        every = _candidates(sentence, decimal)
        numbers = [number for number in every if number.value is not None]
        if numbers:
            return _of_sentence(sentence, numbers)
        if every and nothing is None:
            nothing = Invalid(f"'{every[-1].text[:60]}' is {every[-1].what}")
    return nothing


def _of_sentence(sentence: str, numbers: Sequence[Numeral]) -> float | Invalid | None:
    by_equation = _by_equation(sentence, numbers)
    if by_equation is not None:
        return by_equation
    if len({number.value for number in numbers}) == 1:
        return numbers[-1].value
    cues = list((_ASCII_CUE if sentence.isascii() else _CUE).finditer(sentence))
    behind = [number for number in numbers if cues and number.start >= cues[-1].end()]
    chosen = behind[0] if behind else numbers[-1]
    ambiguous = _alternatives(sentence, chosen, numbers)
    if ambiguous is not None:
        return ambiguous
    return chosen.value if behind else _ambiguous(numbers[-2:])


def _candidates(sentence: str, decimal: DecimalMark) -> list[Numeral]:
    """The numerals of a sentence without footnotes and list numbers, unless there are no others. The value of
    one that the sentence denies ("not 7") is None."""
    every = [part for number in numerals(sentence, decimal) for part in _listed(sentence, number, decimal)]
    if may_deny_numbers(sentence):
        every = [
            number._replace(value=None, what="only denied")
            if is_denied_number(sentence, number.start)
            else number
            for number in every
        ]
    if "±" in sentence:
        every = list(_with_tolerances(sentence, every))
    chosen = [number for number in every if not _is_label(sentence, number)]
    return chosen or every


def _listed(sentence: str, number: Numeral, decimal: DecimalMark) -> Sequence[Numeral]:
    """The two numbers of `[7,8]`, a list, an interval or a point, whose comma is a decimal mark only where the task says so."""
    pair = _PAIR.fullmatch(number.text) if decimal == "." else None
    if pair is None or isinstance(number.value, int) or not _is_bracketed(sentence, number):
        return (number,)
    middle = number.start + pair.end(1)
    return (
        number._replace(end=middle, text=pair[1], value=int(pair[1])),
        number._replace(start=middle + 1, text=pair[2], value=int(pair[2])),
    )


def _is_bracketed(sentence: str, number: Numeral) -> bool:
    """Whether brackets stand around a numeral, and nothing else is within them."""
    before, after = sentence[: number.start].rstrip(" ")[-1:], sentence[number.end :].lstrip(" ")[:1]
    return before + after in _BRACKETS


def _with_tolerances(sentence: str, every: Sequence[Numeral]) -> Iterator[Numeral]:
    """The numerals, with the tolerance in `42 ± 2` left out and the two values in `±4` marked as not a
    number."""
    before = 0
    for number in every:
        gap = sentence[before : number.start].strip()
        if gap.endswith("±"):
            if gap != "±" or not before:
                yield number._replace(value=None, what="two numbers, ± it")
        else:
            yield number
        before = number.end


def _is_label(sentence: str, number: Numeral) -> bool:
    before, after = sentence[max(0, number.start - 20) : number.start], sentence[number.end : number.end + 2]
    if _LABELLED.search(before) and not before.rstrip().endswith("####"):
        return True
    if _BRACKET_BEFORE.search(before) and _BRACKET_BEHIND.match(sentence, number.end, number.end + 20):
        return True
    return (
        after[:1] in (".", ")")
        and after[1:2] == " "
        and _LIST_NUMBER.match(sentence[: number.start]) is not None
    )


def _by_equation(sentence: str, numbers: Sequence[Numeral]) -> float | Invalid | None:
    """The side of the last equation that is one number; None without an equation."""
    signs = list(_EQUALS.finditer(sentence))
    if not signs:
        return None
    sign = signs[-1]
    left = signs[-2].end() if len(signs) > 1 else 0
    right = [number for number in numbers if number.start >= sign.end()]
    before = [number for number in numbers if left <= number.start and number.end <= sign.start()]
    if right and not _is_sum(sentence, right):
        return _alternatives(sentence, right[0], numbers) or right[0].value
    if before and not _is_sum(sentence, before[-2:]):
        return _alternatives(sentence, before[-1], before) or before[-1].value
    return _ambiguous([before[-1], right[0]]) if before and right else None


def _is_sum(sentence: str, side: Sequence[Numeral]) -> bool:
    """Whether there is an operator between the first two numbers of one side."""
    return len(side) > 1 and (
        (side[1].text[:1] in "+-" and not sentence[side[0].end : side[1].start].strip())
        or _OPERATOR.fullmatch(sentence, side[0].end, side[1].start) is not None
    )  # fmt: skip


def _alternatives(sentence: str, chosen: Numeral, numbers: Sequence[Numeral]) -> Invalid | None:
    """Both candidates if a number is joined to its neighbor by "or", "and", a comma or a dash."""
    at = numbers.index(chosen)
    for first, second in itertools.pairwise(numbers[max(0, at - 1) : at + 2]):
        if first.value != second.value and _are_joined(sentence, first, second):
            return _ambiguous([first, second])
    return None


def _are_joined(sentence: str, first: Numeral, second: Numeral) -> bool:
    """Whether two numbers are alternatives: `7 or 8`, `x = 7, x = 8`, but not `x - 3 = 2, x = 5`."""
    if sentence[first.end : second.start] == ",":  # see `_listed`
        return True
    if _JOINED.fullmatch(sentence, first.end, second.start) is None:
        return False
    return "=" not in sentence[first.end : second.start] or _NAMED.search(sentence[: first.start]) is not None


def _ambiguous(numbers: Sequence[Numeral]) -> Invalid:
    return Invalid(f"ambiguous: {' or '.join(number.text for number in numbers)}")
