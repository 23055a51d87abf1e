"""Normalization of short answers for comparison, and the list of answers that a target accepts.

SQuAD's rule and MLQA's rule for other languages, with one addition: what distinguishes two answers is kept.
Their rules make `<=50K` and `>50K`, `1.5` and `15`, `C++` and `C`, or `a` and `the` the same answer.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from harness.core.characters import folded, spaced
from harness.core.json_types import JsonValue

ARTICLES = {
    "none": "",
    "en": "a an the",
    "de": "ein eine einen einem eines einer der die das den dem des",
    "es": "un una unos unas el la los las",
    "fr": "un une des le la les du au aux",
    "it": "un uno una il lo la i gli le",
    "pt": "um uma uns umas o a os as",
    "vi": "của là cái chiếc những",
    "ar": "",
    "hi": "",
    "zh": "",
}
"""Words of each language that do not count: MLQA's lists, and those of three more languages. Arabic's article is
a prefix."""
_ARTICLE_SETS = {language: frozenset(words.split()) for language, words in ARTICLES.items()}
_ELIDED = {"fr": re.compile(r"(?<!\w)l['’](?=\w)"), "it": re.compile(r"(?<!\w)(?:l|un|gl)['’](?=\w)")}
"""Articles that are written together with their word."""
_ARABIC_ARTICLE = "ال"

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_KEPT = (
    r"[+<>=]"
    r"|(?<=[0-9])[.:/^,-](?=[0-9])"  # 1.5, 10:05, 3/4, 10^3, 1,5, 2020-21
    r"|(?<![\w.)])-(?=[.,]?[0-9])"  # -5
    r"|(?<![\w.])\.(?=[0-9])"  # .5
    r"|(?<=\b[^\W\d])-(?!\w)"  # A-
    r"|(?<=[^\W\d])\#(?!\w)"  # C#
)
"""Marks that make a different answer."""
_RANGE = r"(?<=[0-9])[–—‑](?=[0-9])"
_ANY_PUNCTUATION = re.compile(rf"[{re.escape(string.punctuation)}–—‑]")
_TELLS_APART = re.compile(f"{_KEPT}|{_RANGE}")
_CAREFULLY = re.compile(rf"(?P<kept>{_KEPT})|(?P<range>{_RANGE})|[{re.escape(string.punctuation)}]")
_GROUPS = re.compile(r"(?<=[0-9]),(?=(?:[0-9]{2},){0,40}[0-9]{3}(?![0-9]))")
"""A comma between thousands, Western or Indian."""


def tokens(text: str, language: str = "en", *, ignore_diacritics: bool = False) -> tuple[str, ...]:
    """The words that two answers are compared by: without case, punctuation and articles.

    In scripts without spaces each letter is a word. Signs, decimal points and symbols that make a different
    answer are kept; if nothing but articles or punctuation is left, these are the answer. Only an empty text
    gives none.

    Args:
        text: an answer or a target.
        language: a key of `ARTICLES`.
        ignore_diacritics: whether accented letters equal plain ones.

    Source: Rajpurkar et al. 2016, the official SQuAD evaluation script; Lewis et al. 2020, MLQA.
    """
    if len(text) > _SHORT:
        return _tokens(text, language, ignore_diacritics)
    return _remembered(text, language, ignore_diacritics)


def _tokens(text: str, language: str, ignore_diacritics: bool) -> tuple[str, ...]:
    lower = folded(text, ignore_diacritics=ignore_diacritics)
    if language in _ELIDED:
        lower = _ELIDED[language].sub("", lower)
    words = spaced(_without_punctuation(lower)).split()
    if not words:
        return tuple(lower.split())
    return tuple(_without_articles(words, language) or words)


_SHORT = 200
"""Characters of the longest text whose words are remembered: several scorers judge the same answers and targets."""
_remembered = lru_cache(maxsize=10_000)(_tokens)


def _without_punctuation(text: str) -> str:
    mark = _ANY_PUNCTUATION.search(text)
    if mark is not None:
        if _TELLS_APART.search(text, max(0, mark.start() - 1)):
            text = _CAREFULLY.sub(_keep, _GROUPS.sub("", text))
        else:
            text = text.translate(_PUNCTUATION)
    return text if text.isascii() else text.translate(_UNICODE_PUNCTUATION)


def _keep(match: re.Match[str]) -> str:
    return "-" if match["range"] else match["kept"] or ""


def _without_articles(words: list[str], language: str) -> list[str]:
    if language == "ar":
        return [rest for word in words if (rest := word.removeprefix(_ARABIC_ARTICLE))]
    articles = _ARTICLE_SETS[language]
    return [word for word in words if word not in articles]


class _Punctuation(dict[int, str]):
    """Drops punctuation of every script; each character is looked up when it first occurs. ASCII is handled
    before."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = "" if code > 127 and unicodedata.category(letter)[0] == "P" else letter
        return self[code]


_UNICODE_PUNCTUATION = _Punctuation()


def accepted(target: JsonValue) -> Sequence[JsonValue]:
    """The answers that count as right: a list of several, or the target alone."""
    return target if isinstance(target, list | tuple) and target else [target]
