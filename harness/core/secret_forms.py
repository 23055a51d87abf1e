"""How a secret may be written: as it is, as Python, JSON, HTML or a URL escapes it, by one of these within another, and in base64."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

ZERO_WIDTH = "\u200b"
QUOTES = ('"', "'")
_MOST = "{0,32}"
"""Repetitions of an escape, which keep the search linear in texts of backslashes alone: five escapes within each
other double a backslash five times."""
_PERCENT = f"%(?:25){_MOST}"
_SEMICOLON = f"(?:;|{_PERCENT}3[bB])"
_HASH = rf"\\{_MOST}(?:#|{_PERCENT}23)"
_AMPERSAND = f"(?:&|{_PERCENT}26|u0026|x26)(?:(?:amp|{_HASH}(?:38|[xX]26)){_SEMICOLON}){_MOST}"
"""As HTML, a URL or JSON writes it, and escaped again; the backslash before `u` is taken by `_BACKSLASH`."""
_BACKSLASH = rf"(?:\\(?:u005[cC])?|{_PERCENT}5[cC]|{_AMPERSAND}{_HASH}(?:92|[xX]5[cC]){_SEMICOLON})"


def pattern_of(secret: str) -> str:
    """A regular expression for `secret` with each of its characters plain or escaped.

    Libraries escape differently: `repr` of a bytearray escapes every single quote, some JSON writers escape `/` and
    `+`, and what is quoted twice is escaped twice, not always by the same rules (JSON in an attribute of HTML).
    """
    parts = re.findall(r"""\\+|["']+|[^\\"']""", secret)
    if parts and parts[0][0] in QUOTES:
        parts[:1] = parts[0]
    if parts and parts[-1][0] in QUOTES:
        parts[-1:] = parts[-1]
    inside = range(1, len(parts) - 1)
    return "".join(
        _quotes(part) if part[0] in QUOTES and index in inside else _character(part)
        for index, part in enumerate(parts)
    )


def base64_of(secret: str) -> Iterator[str]:
    """The base64 texts that hold `secret`; there are three, as they depend on how many bytes stand before it."""
    raw = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        start, end = (0, 2, 3)[before], (before + len(raw)) * 8 // 6
        for altchars in (b"+/", b"-_"):
            yield base64.b64encode(b"\0" * before + raw, altchars).decode()[start:end]


def longest_plain(secret: str) -> str:
    """The longest part of `secret` that no escaping changes."""
    plain: list[str] = re.findall(r"[A-Za-z0-9]*", secret)
    return max(plain, key=len)


def _quotes(run: str) -> str:
    """A pattern for quote marks within a secret: CSV, YAML, SQL and shells write each as several, of either kind."""
    return f"(?:{'|'.join(map(_escaped, QUOTES))}){{{len(run)},64}}+"


def _character(letter: str) -> str:
    """A pattern for one character, or for several backslashes in a row."""
    if letter.isascii() and letter.isalnum():
        return letter
    if letter[0] == "\\":  # doubled by each escape; one more may belong to a quote mark behind the secret
        counts = (len(letter) * 2**escapes for escapes in range(5, -1, -1))
        return f"(?:{'|'.join(f'{_BACKSLASH}{{{count}}}' for count in counts)})"
    if letter in QUOTES:  # at the edge of a secret, where one of the other kind may enclose the whole text
        return f"(?:{letter * 2}|{_escaped(letter)})"
    if letter in "@:.":  # Markdown has a zero-width space beside them, so that no link comes about
        space = f"(?:{_escaped(ZERO_WIDTH)}){{0,3}}"
        return f"{space}{_escaped(letter)}{space}"
    return f"(?:{_escaped(' ')}|{_escaped('+')})" if letter == " " else _escaped(letter)


def _escaped(letter: str) -> str:
    number, raw = ord(letter), letter.encode("utf-8", "surrogatepass")
    forms = [
        re.escape(letter),
        "".join(f"x(?i:{byte:02x}){_BACKSLASH}{_MOST}" for byte in raw[:-1]) + f"x(?i:{raw[-1]:02x})",
        f"{_AMPERSAND}{_HASH}(?:0*{number}|[xX]0*(?i:{number:x})){_SEMICOLON}",
        f"u(?i:{number:04x})",
        *(_unescaped(writer(letter)) for writer in (repr, ascii, json.dumps)),
    ]
    if quote(letter, safe="") != letter:  # `-`, `.`, `_` and `~` stand as they are in an address
        forms.append("".join(f"{_PERCENT}(?i:{byte:02x})" for byte in raw))
    if name := _NAMES.get(letter):
        forms.append(f"{_AMPERSAND}{name}{_SEMICOLON}" if letter != "&" else _AMPERSAND)
    return f"{_BACKSLASH}{_MOST}+(?:{'|'.join(dict.fromkeys(forms))})"


_NAMES = {letter: html.escape(letter)[1:-1] for letter in '"&<>'} | {"'": "apos"}
"""Of HTML and XML; `html.escape` writes a single quote as a number."""


def _unescaped(quoted: str) -> str:
    r"""A pattern for what a writer of quoted texts makes of a character, such as `\n`, without the first backslash; those
    of a pair, such as `\ud83d\ude00`, may be escaped again."""
    first, *more = re.split(r"\\+", quoted[1:-1].removeprefix("\\"))
    return re.escape(first) + "".join(f"{_BACKSLASH}{_MOST}{re.escape(part)}" for part in more)
