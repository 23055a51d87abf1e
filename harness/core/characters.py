"""One spelling for the several that Unicode allows: the form that formats, scorers and retrieval compare.

Texts in plain ASCII pass through unchanged and cost nothing.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import regex

MINUS = "\u2212\ufe63\uff0d\u2796"
"""Minus signs besides the hyphen that keyboards have."""
_INVISIBLE = frozenset(
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""Soft hyphens, zero-width characters and direction marks, which are invisible."""
_COMPATIBLE = ((0x2080, 0x2089), (0xFB00, 0xFB06), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC), (0xFF01, 0xFFEE))
"""Subscript digits (`H₂O`), ligatures, Arabic presentation forms, full-width and half-width forms."""
_VOWEL_MARKS = (
    (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5), (0x05C7, 0x05C7),
    (0x0640, 0x0640), (0x064B, 0x0652), (0x0656, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC),
    (0x06DF, 0x06E8), (0x06EA, 0x06ED),
)  # fmt: skip
"""Hebrew points and accents, Arabic vowel signs and the stretching tatweel: writers may leave them out."""

UNSPACED = (
    r"[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
    r"&&[\p{L}\p{N}]]"
)
"""A letter of a script that puts no spaces between words, as a set for the package `regex`, version 1."""
_UNSPACED = regex.compile(rf"(?V1){UNSPACED}\p{{M}}*")
_WORD = regex.compile(rf"(?V1){UNSPACED}\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}_]--{UNSPACED}]+")


def plain(text: str) -> str:
    """`text` in NFC, with ASCII for full-width forms, minus signs and the digits of every script, and without
    invisible characters."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).translate(_PLAIN))


def folded(text: str, *, ignore_diacritics: bool = False) -> str:
    """`plain` text without letter case, Hebrew points and Arabic vowel signs.

    Args:
        ignore_diacritics: whether accents on Latin, Greek and Cyrillic letters are dropped as well.
    """
    if text.isascii():
        return text.lower()
    # The capital I with a dot folds to an i with a dot of its own.
    spelled = plain(text).casefold().replace("i\u0307", "i").translate(_UNPOINTED)
    return _bare(spelled) if ignore_diacritics else spelled


def spaced(text: str) -> str:
    """`text` with a space around every letter of a script that writes none, so that it can be split."""
    return text if text.isascii() else str(_UNSPACED.sub(r" \g<0> ", text))


def word_list(text: str) -> list[str]:
    """Words with their combining marks; each letter alone in scripts that write no spaces."""
    return [str(word) for word in _WORD.findall(text)]


@cache
def is_unspaced(letter: str) -> bool:
    """Whether a character belongs to a script that puts no spaces between words."""
    return _UNSPACED.match(letter) is not None


def _bare(text: str) -> str:
    """Without the marks that decompose from letters of the alphabets below U+0530 (Latin, Greek, Cyrillic).

    The marks of other scripts are vowels, which words cannot do without.
    """
    kept: list[str] = []
    base = ""
    for letter in unicodedata.normalize("NFD", text):
        if unicodedata.category(letter) != "Mn":
            base = letter
        elif base and ord(base) < 0x0530:
            continue
        kept.append(letter)
    return unicodedata.normalize("NFC", "".join(kept))


class _Plain(dict[int, str]):
    """A translation table that works out each character when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if letter in _INVISIBLE:
            spelled = ""
        elif letter in MINUS:
            spelled = "-"
        elif any(first <= code <= last for first, last in _COMPATIBLE):
            spelled = unicodedata.normalize("NFKC", letter)
        else:
            digit = unicodedata.decimal(letter, None)
            spelled = letter if digit is None else str(digit)
        self[code] = spelled
        return spelled


_PLAIN = _Plain({0x3000: " "})
_UNPOINTED = dict.fromkeys(code for first, last in _VOWEL_MARKS for code in range(first, last + 1))
