"""Which labels a text mentions, and which of them it denies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import regex

from harness.core.characters import UNSPACED, is_unspaced, plain
from harness.tasks.formats._denial import is_denied

MOST = 1000
"""The most mentions that are examined in one text."""
_LETTER = rf"[\w--{UNSPACED}]"
"""A letter or digit of a script with spaces: next to a label it makes another word."""
_TAG = regex.compile(r"</?[A-Za-z][\w-]{0,20}>")
_SEPARATOR = regex.compile(r"(?<=[^\W\d_])[\s_-]+(?=[^\W\d_])")
"""What stands between the words of a label: "not relevant", not_relevant and not-relevant are one."""
_SCALE = regex.compile(r"(?i)[0-9]\s*(?:/|(?:out of|of|von|sur|su|de|из)\s)\s*\Z")
"""What precedes the end of a scale, as 5 in `4/5`."""
_CONJUNCTIONS = (
    r"(?:is|was|because|since|as|and|or|but|not|seems|would|due|ist|war|weil|und|oder|est|et|ou|es|y|e|o|è|é|и|или|верн\w*"
    r"|правильн\w*)\b"
)
"""Words that may follow a label of one letter; before any other lower-case word, the label is read as an
article."""
_LETTER_WORDS = frozenset("AEIOUYaeiouyàéèóАВИКОСУЯавикосуяΑΗΟαηο")
"""Letters that are words of their own in some language."""
_COPULA = r"(?:입니다|이다|이에요|예요|임|이며|이고|번)"
_HANGUL_ENDINGS = rf"(?:{_COPULA}|적(?:{_COPULA}|인)?|은|는|이|가|을|를|으로|로|이라고|라고|도)"
_NO_WORD = regex.compile(r"(?i)(?:\W|_|option|choice|letter|Antwort|Option|option|选项|選項)*")
_JOINED = regex.compile(
    r"(?i)\W*(?:\b(?:or|and|oder|und|ou|et|o|y|e|или|и|to|bis|also|both)\b|または|と|か|或者?|和|또는|و|أو|या|और)?\W*"
)
"""What joins two labels that are both the answer, or neither."""
_OR = regex.compile(
    r"(?i)[\"'”*]*,?\s(?:or|nor|oder|noch|ou|ni|o|nem|или|ни|أو|ولا)\s(?:(?:a|an|the)\s)?[\"'“*]*|或|または"
)
DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014"), "-")
_OWN_SCRIPT = (
    (r"\p{Thai}", r"(?<=ข้อ)"), (r"\p{Lao}", ""), (r"\p{Khmer}", ""), (r"\p{Myanmar}", ""), (r"\p{Tibetan}", ""),
    (r"\p{Katakana}", ""), (r"\p{Hiragana}", ""),
)  # fmt: skip
"""Alphabets without spaces between words: a letter beside another of its own script is part of a word. With
what may nevertheless precede it."""


@dataclass(frozen=True)
class Mentions:
    """Labels in the order of their first mention; `denied` ones are mentioned only as what the answer is
    not."""

    labels: tuple[str, ...]
    denied: tuple[str, ...] = ()


class Occurrence(NamedTuple):
    """One place where a label occurs in a text."""

    label: str
    start: int
    end: int
    denied: bool


def occurrences(text: str, labels: tuple[str, ...], ignore_case: bool) -> list[Occurrence]:
    """Where the labels occur in a `simplified` text as separate words; a longer label hides a shorter one
    inside it.

    A label of one letter that is a word in some language (`A`, `в`) is looked for in its own case, and not if
    it is an article or pronoun in a sentence.
    """
    pattern, names = _compiled(labels, ignore_case)
    every: list[Occurrence] = []
    for match in islice(pattern.finditer(text), MOST):
        label, (start, end) = names[match.lastindex - 1], match.span()
        if not (label.isdecimal() and _SCALE.search(text, max(0, start - 12), start)):
            denied = is_denied(text, start, end, labels) or _shares_denial(text, every[-1:], start)
            every.append(Occurrence(label, start, end, denied))
    return every


def _shares_denial(text: str, before: list[Occurrence], start: int) -> bool:
    """Whether a label is joined to a denied one before it: "not high or medium"."""
    return bool(before) and before[0].denied and _OR.fullmatch(text, before[0].end, start) is not None


def mentions(text: str, labels: tuple[str, ...], ignore_case: bool) -> Mentions:
    """The labels that a text mentions, by `occurrences`."""
    every = occurrences(simplified(text, labels), labels, ignore_case)
    asserted = tuple(dict.fromkeys(one.label for one in every if not one.denied))
    denied = dict.fromkeys(one.label for one in every if one.denied)
    return Mentions(asserted, tuple(label for label in denied if label not in asserted))


def leading(text: str, labels: tuple[str, ...], ignore_case: bool) -> str | None:
    """The label that a text begins with, as in "B, because A is cold"; None if it goes on with another ("B or
    A")."""
    text = simplified(text, labels)
    every = occurrences(text, labels, ignore_case)
    if not every or every[0].denied or _NO_WORD.fullmatch(text, 0, every[0].start) is None:
        return None
    first = every[0]
    following = next((one for one in every if one.label != first.label), None)
    joined = following is not None and _JOINED.fullmatch(text, first.end, following.start)
    return None if joined else first.label


def simplified(text: str, labels: tuple[str, ...]) -> str:
    """A text as labels are looked for in it: plain characters, hyphens for dashes, no tags."""
    text = plain(text)
    if not text.isascii():
        text = text.translate(DASHES)
    return _TAG.sub(" ", text) if "<" in text and not _has_tag(labels) else text


@lru_cache(maxsize=64)
def _has_tag(labels: tuple[str, ...]) -> bool:
    return any(_TAG.search(label) for label in labels)


@lru_cache(maxsize=64)
def _compiled(labels: tuple[str, ...], ignore_case: bool) -> tuple[regex.Pattern[str], tuple[str, ...]]:
    """A pattern with one group per label, and the label of each group."""
    names = tuple(sorted(labels, key=len, reverse=True))
    separated = len({_SEPARATOR.sub(" ", plain(name)).casefold() for name in names}) == len(names)
    groups = "|".join(
        f"({_guarded(plain(name).translate(DASHES), ignore_case, separated)})" for name in names
    )
    return regex.compile(f"(?V1){groups}"), names


def _guarded(label: str, ignore_case: bool, separated: bool) -> str:
    """A label with what must not be on either side of it.

    Args:
        separated: whether the labels differ in more than what stands between their words.
    """
    parts = _SEPARATOR.split(label) if separated else [label]
    written = r"[\s_-]+".join(regex.escape(part, literal_spaces=True) for part in parts)
    own_case = not ignore_case or label in _LETTER_WORDS
    body = written if own_case else f"(?i:{written})"
    before, after = _sides(label)
    if len(label) == 1 and label.isalpha():
        left, right = _sides_of_letter(label)
        before, after = before + left, after + right
    if label.casefold() == "no":
        # "There is no doubt": here "no" is a determiner.
        body = rf"(?:(?<![\w,]\s){body}|{body}(?!\s(?!{_CONJUNCTIONS})[a-z]))"
    return f"{before}{body}{after}"


def _sides(label: str) -> tuple[str, str]:
    """What must not precede or follow a label of any length."""
    first, last = label[:1], label[-1:]
    before = after = ""
    if first.isalnum() and not is_unspaced(first):
        before = rf"(?<!{_LETTER}|[<>≤≥])" + (r"(?<![-+]|[0-9][.,])" if first.isdecimal() else "")
    elif not first.isalnum():
        before = rf"(?<![<>=+{'' if first == '-' else '-'}])" + ("" if label[1:] else rf"(?<!{_LETTER})")
    if "가" <= last <= "힣":
        endings = _HANGUL_ENDINGS if label[1:] else _COPULA
        after = rf"(?={endings}?(?!{_LETTER}))"
    elif last.isalnum() and not is_unspaced(last):
        after = rf"(?!{_LETTER}|[+#])" + (r"(?![.,][0-9])" if last.isdecimal() else "")
    elif last in "+#<>=":
        after = rf"(?![+#<>={'' if label[1:] else '-'}])"
    return before, after


def _sides_of_letter(letter: str) -> tuple[str, str]:
    """What else must not be next to a label of one letter."""
    before, after = r"(?<!\w['’])", rf"(?!\p{{M}}|['’-]\w|-(?!\w){_article(letter)})"
    for script, exempt in _OWN_SCRIPT:
        if regex.match(script, letter):
            before = f"(?:(?<!{script})|{exempt})" if exempt else f"(?<!{script})"
            after = f"(?!{script})"
    return before, after


def _article(letter: str) -> str:
    return rf"|\s(?!{_CONJUNCTIONS})\p{{Ll}}" if letter in _LETTER_WORDS else ""
