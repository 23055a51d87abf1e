"""Dates with the month's name or sign: `12 May 2024`, `am 12. Mai`, `12 мая 2024`, `2024年5月12日`."""

from __future__ import annotations

import re
from collections.abc import Iterable

MONTH = (
    r"(?:Jan(?:uary|uar)?|Feb(?:ruary|ruar)?|March|März|Mar|Apr(?:il)?|May|Mai|June?|Juni|July?|Juli|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Okt(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|Dez(?:ember)?)"
)
"""Months as English and German write them, with a capital."""
_LOWER_MONTH = (
    r"(?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
    r"|(?:de )?(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|janeiro|fevereiro"
    r"|março|maio|junho|julho|setembro|outubro|novembro|dezembro)(?: de| del)?"
    r"|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|januari|februari|maart|mei|augustus|stycznia"
    r"|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia|января|февраля|марта|апреля"
    r"|мая|июня|июля|августа|сентября|октября|ноября|декабря|जनवरी|फ़रवरी|मार्च|अप्रैल|मई|जून|जुलाई|अगस्त|सितंबर|अक्टूबर|नवंबर"
    r"|दिसंबर|يناير|فبراير|مارس|أبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر|มกราคม|กุมภาพันธ์|มีนาคม|เมษายน"
    r"|พฤษภาคม|มิถุนายน|กรกฎาคม|สิงหาคม|กันยายน|ตุลาคม|พฤศจิกายน|ธันวาคม)"
)
"""Months in other languages, which count as dates next to a year."""
_NAMED_DATE = re.compile(
    rf"(?<![0-9])(?:[0-9]{{1,2}}(?:st|nd|rd|th|\.)?(?: of)?[ -]{MONTH}\b\.?(?:,?[ -][0-9]{{4}}\b)?"
    rf"|[0-9]{{1,2}}(?:er|\.|º)? {_LOWER_MONTH},? [0-9]{{4}}(?![0-9])"
    r"|(?:[0-9]{2,4}[年년] ?)?[0-9]{1,2}[月월] ?[0-9]{1,2}[日號号일])"
    rf"|(?<!\w){MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?(?![0-9.:/]|,[0-9])(?:,? [0-9]{{4}}(?![0-9]))?"
)
_CAPITAL_OR_SIGN = re.compile(r"[JFMASOND][aeäpuco][a-zä]|[月월]")


def may_hold_dates(text: str, numbers: Iterable[float | None]) -> bool:
    """Whether a text can hold a date with a named month: false for most texts, and quick to check.

    Args:
        numbers: those in the text; a month in lower case needs a year.
    """
    if _CAPITAL_OR_SIGN.search(text):
        return True
    return any(1000 <= number < 3000 for number in numbers if number is not None)


def named_dates(text: str) -> list[re.Match[str]]:
    """Every date with a named month, in order."""
    return list(_NAMED_DATE.finditer(text))
