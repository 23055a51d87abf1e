"""How texts are written: their common form if they share one, else their length and style, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

NEARLY_ALL = 0.95
"""The share of texts for which a statement about them must hold: a few may be mistakes in the data."""
LOOKED_AT = 2000
BRIEF = 8
"""Texts of at most this many words are phrases, not sentences."""
LONGEST_WORD = 15
"""Texts with more characters per word are written without spaces, as Chinese and Thai are."""
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)")
_QUANTITY = re.compile(r"[-+]?\d[\d.,]*\s?([^\W\d]{1,12}|[%€$£°]\S{0,2})")
_KINDS = {"A": "capital letter", "a": "small letter", "9": "digit"}


@dataclass(frozen=True, kw_only=True)
class Style:
    """What nearly all texts share.

    `form` describes texts of one fixed form (a date, a code, a quantity) and is empty for others. `traits` are
    the length, which comes first, and the style, as parts of a sentence. `brief`: phrases rather than sentences.
    """

    form: str = ""
    traits: tuple[str, ...] = ()
    brief: bool = False


def of(texts: Sequence[str]) -> Style:
    """The style of these texts, looking at no more than `LOOKED_AT` of them."""
    stripped = [text.strip() for text in texts[:: max(1, len(texts) // LOOKED_AT)]]
    kept = [text for text in stripped if text]
    if not kept:
        return Style(traits=("as short as it can be",), brief=True)
    if form := _form(kept):
        return Style(form=form, brief=True)
    words = sorted(len(text.split()) for text in kept)
    brief = _at(words, 0.9) <= BRIEF
    if brief and sum(map(len, kept)) > LONGEST_WORD * sum(words):
        length = _range(sorted(map(len, kept)), "character")
    else:
        length = _range(words, "word") if brief else _length(kept, words)
    phrases = brief and median(words) >= 2
    return Style(traits=(length, *_traits(kept, phrases=phrases)), brief=brief)


def _form(texts: Sequence[str]) -> str:
    """The one fixed form of nearly all texts; empty if there is none."""
    if _nearly_all(texts, lambda text: re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None):
        return "a date, written YYYY-MM-DD"
    if _nearly_all(texts, lambda text: re.fullmatch(r"\d\d:\d\d", text) is not None):
        return "a time, written HH:MM"
    quantities = [match for text in texts if (match := _QUANTITY.fullmatch(text))]
    units = {match[1] for match in quantities}
    if len(units) == 1 and len(quantities) >= NEARLY_ALL * len(texts):
        return f'a number followed by "{units.pop()}"'
    shape = _shape(texts[0])
    fixed = "9" in shape and len(shape) <= 20 and " " not in shape and len(set(texts)) > 1
    return _spelled(shape) if fixed and _nearly_all(texts, lambda text: _shape(text) == shape) else ""


def _shape(text: str) -> str:
    """A text with A for every capital letter, a for every small one, and 9 for every digit."""
    return "".join("9" if c.isdecimal() else "A" if c.isupper() else "a" if c.isalpha() else c for c in text)


def _spelled(shape: str) -> str:
    """A shape in words: AA-999 is two capital letters, "-", three digits."""
    parts = []
    for kind, run in groupby(shape):
        count = len(list(run))
        number = _COUNTS[count] if count < len(_COUNTS) else str(count)
        noun = _KINDS.get(kind)
        parts.append(f'"{kind * count}"' if noun is None else f"{number} {noun}{'s' if count > 1 else ''}")
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _range(sizes: Sequence[int], noun: str) -> str:
    """The usual sizes of short texts, from the tenth to the ninetieth percentile."""
    low, high = _at(sizes, 0.1), _at(sizes, 0.9)
    usually = "" if (low, high) == (sizes[0], sizes[-1]) else "usually "
    span = f"{low} to {high}" if low < high else _COUNTS[low] if low < len(_COUNTS) else str(low)
    return f"{usually}in {span} {noun}{'' if low == high == 1 else 's'}"


def _length(texts: Sequence[str], words: Sequence[int]) -> str:
    """The usual length of longer texts, in words and in sentences, paragraphs or items."""
    usual = round(median(words))
    about = f"about {usual if usual < 20 else round(usual, -1 if usual < 200 else -2)} words"
    if sum(_is_list(text) for text in texts) >= 0.8 * len(texts):
        return f"as a list with one item a line, {about} in all"
    paragraphs = round(median(len(re.split(r"\n\s*\n", text)) for text in texts))
    if paragraphs > 1:
        return f"in about {paragraphs} paragraphs, {about} in all"
    sentences = round(median(max(1, len(_SENTENCE_END.findall(text))) for text in texts))
    return (
        f"in one sentence of {about}" if sentences == 1 else f"in about {sentences} sentences, {about} in all"
    )


def _is_list(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) > 1 and all(re.match(r"\s*([-*•]|\d+[.)])\s", line) for line in lines)


def _traits(texts: Sequence[str], *, phrases: bool) -> list[str]:
    traits = []
    cased = [text for text in texts if text.lower() != text.upper()]
    if cased and _nearly_all(cased, str.islower):
        traits.append("in lower case")
    elif cased and _nearly_all(cased, str.isupper):
        traits.append("in capital letters")
    if phrases and _nearly_all(texts, lambda text: text[-1] not in ".!?"):
        traits.append("without a period at the end")
    return traits


def _at(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _nearly_all(texts: Sequence[str], holds: Callable[[str], bool]) -> bool:
    return sum(map(holds, texts)) >= NEARLY_ALL * len(texts)
