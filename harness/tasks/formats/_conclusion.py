"""Where a worked answer states its conclusion: after `####`, in `\\boxed{…}` or `<answer>`, after "the answer
is", "Answer:" or a heading "Answer"."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_READ = 50_000
"""Characters from the end of an answer that are searched."""
MOST_MARKERS = 20

_IS = r"[\s*_\"']*(?:\bis\b|\bwas\b|\bwould be\b|[:=：→]|->)"
_ENDS = r"[\s*_]*"
_ASCII = (
    rf"####|<answer>|\b(?:answer(?:{_IS}|[*_ ]*$)|result{_IS}|(?:antwort|ergebnis){_ENDS}(?:ist|lautet|[:=])"
    rf"|(?:respuesta|resultado|resposta){_ENDS}(?:es\b|é|[:=])|(?:risposta|risultato){_ENDS}(?:è|[:=])"
    rf"|(?:antwoord|cevap|svar){_ENDS}(?:is|er|är|[:=])|(?:vastaus|jawaban(?:nya)?){_ENDS}(?:on\b|adalah|[:=]))"
)
_OTHER = (
    rf"\b(?:(?:réponse|résultat){_ENDS}(?:est|[:=])|(?:ответ|результат|відповідь){_ENDS}(?:є|[:=—–-])|odpowiedź{_ENDS}(?:to|[:=])"
    rf"|(?:răspunsul|odpověď|válasz|απάντηση|đáp\sán){_ENDS}(?:este|je\b|είναι|là|[:=—–]))"
    rf"|(?:答案|结果|結果){_ENDS}(?:是|为|為|は|[:：=])|(?:答え?|正解|回答){_ENDS}(?:は|[:：=])|(?:정답|답){_ENDS}(?:은|[:：=])"
    rf"|(?:الجواب|الإجابة|الاجابة)(?:\sالصحيحة|\sالصحيح)?{_ENDS}(?:هو|هي|:)|(?:پاسخ|جواب|התשובה|תשובה){_ENDS}(?:ہے|היא|:)"
    rf"|उत्तर{_ENDS}(?:है|[:=])|উত্তর{_ENDS}(?:হল|হলো|:)|คำตอบ(?:ที่ถูกต้อง)?{_ENDS}(?:คือ|:)(?:ข้อ)?"
)
_ASCII_MARKER = re.compile(_ASCII, re.IGNORECASE | re.MULTILINE)
_MARKER = re.compile(f"{_ASCII}|{_OTHER}", re.IGNORECASE | re.MULTILINE)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_TRAILING = re.compile(r"[\s*_:=]*")


def after_markers(text: str) -> Iterator[str]:
    """What follows each marker of a conclusion, the last marker first; a box's content comes before all others."""
    text = text[-MOST_READ:]
    boxes = list(_BOXED.finditer(text)) if "\\" in text else []
    for match in reversed(boxes[-MOST_MARKERS:]):
        content = _balanced(text, match.end())
        if content is not None:
            yield content
    marker = _ASCII_MARKER if text.isascii() else _MARKER
    for match in reversed(list(marker.finditer(text))[-MOST_MARKERS:]):
        rest = text[match.end() :]
        yield rest[_TRAILING.match(rest).end() :]  # type: ignore[union-attr]


def _balanced(text: str, start: int) -> str | None:
    """The text between the brace before `start` and the one that closes it; None if none closes it."""
    depth = 1
    for match in re.finditer(r"[{}]", text[start : start + 2000]):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return text[start : start + match.start()]
    return None
