"""Where a worked answer says its conclusion: behind `####`, in `\\boxed{…}` or `<answer>`, behind "the answer is",
"Answer:" or a heading "Answer"."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_READ = 50_000
"""Characters from the end of an answer that are searched."""
MOST_MARKERS = 20

_IS = r"[\s*_]*(?:\bis\b|\bwas\b|\bwould be\b|[:=：→]|->)"
_MARKER = re.compile(
    rf"####|<answer>|\b(?:final\s+)?answer{_IS}|\bresult{_IS}|^[#*_ ]*(?:final\s+)?answer[*_ ]*$"
    r"|\b(?:Antwort|Ergebnis)[\s*_]*(?:ist|lautet|[:=])|\b(?:réponse|résultat)[\s*_]*(?:est|[:=])"
    r"|\b(?:respuesta|resultado|resposta)[\s*_]*(?:es\b|é|[:=])|\b(?:risposta|risultato)[\s*_]*(?:è|[:=])"
    r"|\b(?:ответ|результат)[\s*_]*(?:[:=—–-])|\b(?:antwoord|odpowiedź|cevap|svar)[\s*_]*(?:is|to|er|är|[:=])"
    r"|(?:答案|结果|結果)[\s*_]*(?:是|为|為|は|[:：=])|答え?[\s*_]*(?:は|[:：=])|(?:정답|답)[\s*_]*(?:은|[:：=])"
    r"|\b(?:vastaus|răspunsul|odpověď|válasz|відповідь|απάντηση|jawaban(?:nya)?|đáp\sán)[\s*_]*(?:on\b|este|je\b|є|είναι|adalah|là|[:=—–])"
    r"|(?:الجواب|الإجابة|الاجابة)(?:\sالصحيحة|\sالصحيح)?[\s*_]*(?:هو|هي|:)|(?:پاسخ|جواب|התשובה|תשובה)[\s*_]*(?:ہے|היא|:)"
    r"|उत्तर[\s*_]*(?:है|[:=])|উত্তর[\s*_]*(?:হল|হলো|:)|คำตอบ(?:ที่ถูกต้อง)?[\s*_]*(?:คือ|:)(?:ข้อ)?",
    re.IGNORECASE | re.MULTILINE,
)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_TRAILING = re.compile(r"[\s*_:=]*")


def after_markers(text: str) -> Iterator[str]:
    """What follows each marker of a conclusion, the last marker first; a box's content comes before all others."""
    text = text[-MOST_READ:]
    for match in reversed(list(_BOXED.finditer(text))[-MOST_MARKERS:]):
        content = _balanced(text, match.end())
        if content is not None:
            yield content
    for match in reversed(list(_MARKER.finditer(text))[-MOST_MARKERS:]):
        rest = text[match.end() :]
        yield rest[_TRAILING.match(rest).end() :]  # type: ignore[union-attr]


def _balanced(text: str, start: int) -> str | None:
    """What stands between the brace before `start` and the one that closes it; None where none does."""
    depth = 1
    for match in re.finditer(r"[{}]", text[start : start + 2000]):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return text[start : start + match.start()]
    return None
