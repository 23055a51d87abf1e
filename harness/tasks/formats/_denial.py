"""Whether a text denies what it names: "not relevant", "relevant: no", "ポジティブではありません"."""

from __future__ import annotations

import re
from collections.abc import Collection

import regex

_BEFORE = 64
"""The number of characters before a word in which its denial must begin."""
_FILLERS = (
    r"(?:(?:a|an|the|at all|any|very|really|quite|so|too|longer|all|that|this|it|particularly|especially|necessarily|directly|clearly"
    r"|exactly|entirely|completely|strictly|remotely|even|actually|considered|classified|labell?ed|be|to|been|being|as|is|are"
    r"|seem|appear|look|sound|feel|think|believe|say|find|consider|likely|in|of|here|there|about"
    r"|passage|text|document|answer|statement|review|sentiment|sentence|comment|article|message|e-?mail|response"
    r"|es|est|ist|sind|è|é|jest|är|er|είναι|ole|phải|là|sehr|besonders|wirklich|eindeutig|direkt|très|vraiment|muy|molto|ein\w*"
    r"|un|une|uno|una|очень|call|called|way|if|whether|clear|obvious|evident|sure|can|could|would|(?:it|that|this)['’]s|für|als)\s+){0,7}"
)
_NUMBER = (
    r"not|\w+n['’]t|cannot|neither|nor|nicht|kein\w*|weder|keineswegs|keinesfalls|pas|jamais|ni|não|nem|nie|niet|geen|inte|ikke"
    r"|není|не|ни|нет|δεν|לא|ليس|ليست|غير|không|bukan|tidak"
)
_WORD = (
    rf"{_NUMBER}|never|no|non|nothing|nichts|rien|nada|niente|ничего|without|than|instead of|lack(?:s|ed|ing)?|(?:devoid|absence|free)\sof|fail(?:s|ed|ing)?\sto|hardly|scarcely|barely|far from|anything but|niemals|kaum|aucun\w*|guère"
    r"|nunca|tampoco|sin|senza|nessun\w*|nooit|ei|μη|אינו|אינה|אין|لا|بدون|chưa"
)
_QUOTES = r"[\"'“„«「*_(]*"
_MARKUP = r"[\"'”’»」*_)\]]*"
"""What may stand behind a word of denial: **not** relevant."""
_UNSPACED = (
    rf"(?:(?:不|并不|並不|没有?|沒有?|無|无|非|并非|並非|而非|未|绝不|毫不)(?:是|太|很|那么|算|够|属于|屬於){{0,3}}|ไม่(?:ใช่|ได้|ค่อย)?(?:เป็น)?\s?)"
    rf"{_QUOTES}"
)
_NOT_THAT = (
    r"(?<![^\W_])(?<!\b(?:or|oder|ou|o|of|eller|или)\s)(?P<word>not|nicht|niet|inte|ikke|pas|non|não|nie|не)"
    rf"{_MARKUP}\s*[:–-]\s*{_QUOTES}"
)
"""As in "not: relevant", but not in "relevant or not: relevant"."""
_DENIED_BEFORE = regex.compile(
    rf"(?V1i)(?:(?<![^\W_])(?P<word>{_WORD}){_MARKUP}\s+{_FILLERS}{_QUOTES}|{_NOT_THAT}|(?<!\w)(?:non|not|un|anti)[-‐]"
    rf"|{_UNSPACED})\Z"
)
_PREFIXED = regex.compile(
    r"(?i)(?<!\w)(?:ir-(?=r)|il-(?=l)|im-(?=[bmp])|dis-|mis-"
    r"|in-(?=(?:accurate|active|adequate|appropriate|coherent|complete|consistent|correct|significant|sufficient|valid)\b))"
)
"""A prefix that denies the word behind its hyphen; not `in-` alone: an in-store purchase is one in a store."""
_PREFIX = 4
"""Characters of the longest of them."""
_ONE_VERB = r"(?:(?!(?:than|until|exceed|only|just|merely|yet)\b)\w+\s+)?"
_NUMBER_DENIED_BEFORE = regex.compile(
    rf"(?V1i)(?<![^\W_])(?:{_NUMBER}){_MARKUP}\s+(?:{_FILLERS}|{_ONE_VERB}){_QUOTES}\Z|(?<=不是?|并非|而非)\Z"
)
_ASCII_DENIAL = re.compile(
    r"n't[^\w,.;:]|(?:\b|_)(?:n(?:o|either|ever|icht|ie|iet|em|i|unca|ada|iente|essun)|anti-|un-|cannot|kein|weder|kaum|pas[\W_]|jamais|aucun|gu|geen"
    r"|inte[\W_]|ikke|bukan|tidak|ei[\W_]|lack|devoid|absence|free\s|without|than|instead|hardly|scarcely|barely|far\s|anything|rien|sin[\W_]|senza|tampoco|jest|fail)",
    re.IGNORECASE,
)
"""Matches before every label that an ASCII text denies: quicker than the whole expression."""
_ASCII_BEHIND = frozenset('"* :?=-([,.')
_ASCII_DENIES = re.compile(
    r"n't[^\w,.;:]|(?:\b|_)(?:[Nn](?:ot|or|either|icht|ie|iet|em|i)|cannot|[KkWw]e(?:in|der)|pas|jamais|geen|inte|ikke|bukan|tidak)"
)
"""Matches in every ASCII text that denies a number: quicker than the whole expression."""
_DENIED_BEHIND = regex.compile(
    r"(?V1i)[\"”」*]*(?:では?(?:な[いく]|あり?ません|ございません)|じゃ(?:な[いく]|ありません)|でな[いく]|(?:이|가)?\s?아[니닙]"
    r"|\s?नहीं|\s(?:değil|نیست|نہیں|নয়|இல்லை)"
    r"|\s*[:?=(\[–-]+\s*(?P<verdict>(?:no|false|nein|non|falsch|нет)\b(?![\s-]\w)|not(?:\s(?:really|quite|at all))?\s*(?=[\]).,;!\n]|\Z))"
    r"|\s*(?:,|\.\.\.|…)\s*(?P<verdict>not)[.!\s]*\Z"
    r"|\s(?:is|are|was|ist|est|es|è|é)\s(?:\w+ly\s)?(?P<quality>wrong|incorrect|false|not|falsch|nicht|faux|fausse|falso|falsa)\b|\s?(?:错误|錯誤|خطأ|خاطئ)|项错误|は(?:誤り|間違い))"
)


def is_denied(text: str, start: int, end: int, labels: Collection[str]) -> bool:
    """Whether the label at `text[start:end]` is only named as what it is not. A word of denial that is itself one of
    the labels denies nothing."""
    begin = max(0, start - _BEFORE)
    if not text.isascii() or _ASCII_DENIAL.search(text, begin, start):
        before = _DENIED_BEFORE.search(text, begin, start)
        if before is not None:
            return not _is_label(before["word"], labels)
    if text[start - 1 : start] == "-":
        prefixes = _PREFIXED.finditer(text, max(0, start - _PREFIX))
        if next((True for prefix in prefixes if prefix.end() == start), False):
            return True
    if text.isascii() and text[end : end + 1] not in _ASCII_BEHIND:
        return False
    if end - start == 1 and text[end : end + 2].lstrip()[:1] in (
        "(",
        "[",
    ):  # what the letter stands for: "B (No)"
        return False
    behind = _DENIED_BEHIND.match(text, end)
    return behind is not None and not _is_label(behind["verdict"] or behind["quality"], labels)


def may_deny_numbers(text: str) -> bool:
    """Whether a text holds a word that can deny a number at all: false for most texts, and quick to check."""
    return not text.isascii() or _ASCII_DENIES.search(text) is not None


def is_denied_number(text: str, start: int) -> bool:
    """Whether the number that begins at `start` is named as what the answer is not: 7 in "not 7 but 8"."""
    return _NUMBER_DENIED_BEFORE.search(text, max(0, start - _BEFORE), start) is not None


def _is_label(word: str | None, labels: Collection[str]) -> bool:
    return word is not None and word.casefold() in {label.casefold() for label in labels}
