"""Words that multiply the number before them: million, lakh, 万, млн, `k`."""

from __future__ import annotations

from harness.core.characters import is_unspaced

LETTER = "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0dff\u1e00-\u1fff"
"""Letters of scripts with spaces: a digit right after one is part of a name."""
_SCALES = {
    10
    ** 3: "thousand tausend tys tysięcy mila тыс тысяча тысячи тысяч ألف آلاف हज़ार हजार nghìn ngàn ribu พัน 千 천 k",
    10**4: "万 萬 만 หมื่น",
    10**5: "lakh lakhs लाख แสน",
    10
    ** 6: "million millions mio millionen millón millones milhão milhões milione milioni miljoen milion miliony milionów"
    " миллион миллиона миллионов млн مليون ملايين milyon triệu juta ล้าน 百万 百萬 백만 m",
    10**7: "crore crores करोड़ 千万 千萬 천만",
    10**8: "亿 億 억",
    10
    ** 9: "billion billions mrd milliarde milliarden milliard milliards miliardo miliardi miljard miliard miliardów bilhão"
    " bilhões миллиард миллиарда миллиардов млрд مليار مليارات milyar tỷ miliar bn",
    10**12: "trillion trillions billionen billones трлн триллион триллионов 兆 조",
}
"""Words that multiply the number before them. German "Billion" and similar words, which mean another number
in English, are not among them."""
FACTORS = {name: factor for factor, names in _SCALES.items() for name in names.split()}
_GLUED = ("k", "m", "bn")
"""Abbreviations that come right after the number; `m` only as a capital, because `5m` is a length."""


_ABBREVIATED = ("mio", "mrd", "tys", "тыс", "млн", "млрд", "трлн")


def _any_of(names: list[str]) -> str:
    ordered = sorted(names, key=len, reverse=True)
    return "|".join(rf"{name}\.?" if name in _ABBREVIATED else name for name in ordered)


_SPACED = [name for name in FACTORS if name not in _GLUED and not is_unspaced(name[0]) and name[0] < "가"]
UNSPACED = [name for name in FACTORS if name not in _GLUED and name not in _SPACED]
MYRIADS = "".join(name for name in UNSPACED if len(name) == 1)
"""Signs that another number may follow: `1億2000万`."""
_INITIALS = "".join(sorted({initial for name in FACTORS for initial in (name[0], name[0].upper())}))
SCALE = (
    rf"(?=[ ]?[{_INITIALS}])(?:[ ]?(?i:{_any_of(_SPACED)})(?!\w)|(?:[kM]|bn)(?![{LETTER}0-9])"
    rf"|[ ]?(?:{_any_of(UNSPACED)})(?<!千(?=[克米瓦卡焦])))"
)
"""A scale after a number, as a regular expression."""
