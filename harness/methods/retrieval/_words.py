"""Text → the words that BM25 counts."""

from __future__ import annotations

import re
import sys

# Scripts written without spaces would otherwise be one word a sentence.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")

_STOP = (
    "a an and are as at be been but by can did do does for from had has have he her his how i if in into is "
    "it its me my no not of on or our she so that the their them then there these they this to was we were "
    "what when where which who whom whose why will with would you your"
)
STOP_WORDS = frozenset(_STOP.split())
"""English function words, which say little about a question's topic."""


def words(text: str, *, keep_stop_words: bool = True) -> list[str]:
    """Lower-cased words; a text of stop words only keeps them.

    They are interned, because a large corpus repeats each many times.
    """
    tokens = [sys.intern(word) for word in _WORD.findall(text.lower())]
    if keep_stop_words:
        return tokens
    return [word for word in tokens if word not in STOP_WORDS] or tokens
