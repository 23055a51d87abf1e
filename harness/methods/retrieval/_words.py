"""Text → the words that BM25 counts, in every script."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator

import regex

from harness.core.characters import UNSPACED, folded

_ASCII = re.compile(r"\w+")
_WORD = regex.compile(
    rf"(?V1)(?P<run>(?:{UNSPACED}\p{{M}}*+)++)|(?P<word>[[\p{{L}}\p{{M}}\p{{N}}_]--{UNSPACED}]++)"
)
_LETTER = regex.compile(r"\P{M}\p{M}*")
"""A letter with its marks."""
_ARABIC = str.maketrans("أإآٱىة", "ااااي" + "ه")
"""Letters that writers use interchangeably."""
_ARABIC_ARTICLE = re.compile(r"\A(?:و?ال|بال|كال|فال|لل)(?=\w{3})")

_STOP = (
    "a an and are as at be been but by can did do does for from had has have he her his how i if in into is "
    "it its me my no not of on or our she so that the their them then there these they this to was we were "
    "what when where which who whom whose why will with would you your"
)
STOP_WORDS = frozenset(_STOP.split())
"""English function words, which say little about a question's topic."""


def words(text: str, *, keep_stop_words: bool = True, parts: int = 0) -> list[str]:
    """Lowercase words without vowel points; a text of stop words alone keeps them.

    Scripts without spaces yield each pair of adjacent letters; Arabic words lose their article. Words are interned,
    because a large corpus repeats each many times.

    Args:
        text: a passage or a question.
        keep_stop_words: whether English function words count.
        parts: length, in letters, of the pieces of longer words that are counted as well, so that compounds
        match their parts;
            0: none.
    """
    lower = folded(text)
    tokens = [*map(sys.intern, _ASCII.findall(lower) if lower.isascii() else _split(lower))]
    kept = tokens if keep_stop_words else [word for word in tokens if word not in STOP_WORDS] or tokens
    return [*kept, *(part for word in kept for part in _pieces(word, parts))] if parts else kept


def _split(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        if match["run"]:
            letters = _LETTER.findall(match["run"])
            yield from map("".join, itertools.pairwise(letters)) if len(letters) > 1 else letters
        else:
            word = match["word"]
            yield (
                _ARABIC_ARTICLE.sub("", word.translate(_ARABIC), count=1)
                if "\u0600" <= word[0] <= "\u06ff"
                else word
            )


def _pieces(word: str, length: int) -> Iterator[str]:
    for start in range(len(word) - length + 1 if len(word) > length else 0):
        yield sys.intern(word[start : start + length])
