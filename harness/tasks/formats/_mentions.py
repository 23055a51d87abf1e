"""Which labels a text mentions, and which of them it denies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from harness.core.characters import UNSPACED, is_unspaced, plain

MOST = 1000
"""Mentions that are looked at in one text."""
_LETTER = rf"[\w--{UNSPACED}]"
"""A letter or digit of a script with spaces: next to a label it makes another word."""
_BEFORE = 48
_FILLERS = (
    r"(?:(?:a|an|the|at all|very|really|quite|particularly|necessarily|directly|considered|be|likely|only|es|est|ist|sind|è|é"
    r"|ein\w*|un|une|uno|una)\s+){0,2}"
)
_DENIED_BEFORE = regex.compile(
    rf"(?V1i)(?:(?<!\w)(?P<word>not|\w+n['’]t|cannot|never|no|neither|nor|without|than|instead of|nicht|kein\w*|weder|pas|jamais"
    rf"|ni|não|nem|не|ни|нет|ليس|ليست|غير|لا)\s+{_FILLERS}[\"'“„«*_(]*|(?<!\w)(?:non|not|un|anti)[-‐]"
    rf"|(?:不是?|非|没有?|無|并非|而非)[\"“「]?)\Z"
)
_DENIED_BEHIND = regex.compile(
    r"[\"”」]?(?:では?な[いく]|じゃな[いく]|でな[いく]|(?:이|가)?\s?아[니닙]|\s?नहीं)"
)


@dataclass(frozen=True)
class Mentions:
    """Labels in the order of their first mention; `denied` ones are only mentioned as what it is not."""

    labels: tuple[str, ...]
    denied: tuple[str, ...] = ()


def mentions(text: str, labels: tuple[str, ...], ignore_case: bool) -> Mentions:
    """The labels that occur in `text` as words of their own; a longer label hides a shorter one inside it.

    A label of one letter is looked for in its own case, and not where it is the article or pronoun of a sentence.
    """
    text = plain(text)
    asserted: dict[str, None] = {}
    denied: dict[str, None] = {}
    for label, start, end in _occurrences(text, labels, ignore_case):
        (denied if _is_denied(text, start, end, labels) else asserted)[label] = None
    return Mentions(tuple(asserted), tuple(label for label in denied if label not in asserted))


def _occurrences(text: str, labels: tuple[str, ...], ignore_case: bool) -> Iterator[tuple[str, int, int]]:
    pattern, names = _compiled(labels, ignore_case)
    for count, match in enumerate(pattern.finditer(text)):
        if count == MOST:
            return
        yield names[match.lastindex - 1], match.start(), match.end()


def _is_denied(text: str, start: int, end: int, labels: Sequence[str]) -> bool:
    before = _DENIED_BEFORE.search(text, max(0, start - _BEFORE), start)
    if before is not None:
        return before["word"] is None or before["word"].casefold() not in {
            label.casefold() for label in labels
        }
    return _DENIED_BEHIND.match(text, end) is not None


@lru_cache(maxsize=64)
def _compiled(labels: tuple[str, ...], ignore_case: bool) -> tuple[regex.Pattern[str], tuple[str, ...]]:
    """A pattern with one group a label, and the label of each group."""
    names = tuple(sorted(labels, key=len, reverse=True))
    groups = "|".join(f"({_guarded(plain(name), ignore_case)})" for name in names)
    return regex.compile(f"(?V1){groups}"), names


def _guarded(label: str, ignore_case: bool) -> str:
    """A label with what must not stand on either side of it."""
    first, last = label[:1], label[-1:]
    written = regex.escape(label, literal_spaces=True)
    body = written if not ignore_case or len(label) == 1 else f"(?i:{written})"
    before = after = ""
    if first.isalnum() and not is_unspaced(first):
        before = rf"(?<!{_LETTER}|[<>≤≥])" + (r"(?<![-+]|[0-9][.,])" if first.isdecimal() else "")
    elif not first.isalnum():
        before = rf"(?<![<>=+{'' if first == '-' else '-'}])" + ("" if label[1:] else rf"(?<!{_LETTER})")
    if last.isalnum() and not is_unspaced(last):
        after = rf"(?!{_LETTER}|[+#])" + (r"(?![.,][0-9])" if last.isdecimal() else "")
    elif last in "+#<>=":
        after = rf"(?![+#<>={'' if label[1:] else '-'}])"
    if len(label) == 1 and first.isascii() and first.isalpha():
        after += r"(?!['’-]\w|-(?!\w)|\s(?!(?:is|was|because|since|as|and|or|but|seems|would|due)\b)[a-z])"
    return f"{before}{body}{after}"
