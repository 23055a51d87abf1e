"""How a secret may be written: as it is, as Python, JSON, HTML or a URL escapes it, and in base64."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

ZERO_WIDTH = "\u200b"
DOUBLED = {'"': ('""',), "'": ("''", "&apos;", "'\"'\"'")}
"""How CSV, YAML, SQL, XML and shells write a quote mark within quote marks."""


def pattern_of(secret: str) -> str:
    """A regular expression for `secret` with each of its characters plain or escaped.

    Libraries escape differently: `repr` of a bytearray escapes every single quote, some JSON writers escape `/` and
    `+`, and a text that is quoted twice is escaped twice.
    """
    return "".join(map(_character, secret))


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


def _character(letter: str) -> str:
    if letter.isascii() and letter.isalnum():
        return letter
    number, raw = ord(letter), letter.encode("utf-8", "surrogatepass")
    forms = [
        # Markdown has a zero-width space behind `@` and `:` and before `.`, so that no link comes about.
        rf"\\*{ZERO_WIDTH}?{re.escape(letter)}{ZERO_WIDTH}?",
        "".join(f"%(?:25)*(?i:{byte:02x})" for byte in raw),
        "".join(rf"\\+x(?i:{byte:02x})" for byte in raw),
        rf"&(?:amp;)*#(?:0*{number}|[xX]0*(?i:{number:x}));",
        _flexible(repr(letter)[1:-1]),
        _flexible(ascii(letter)[1:-1]),
        _flexible(json.dumps(letter)[1:-1]),
        rf"\\+u(?i:{number:04x})",
        _flexible(html.escape(letter)),
    ]
    if letter == " ":
        forms.append(r"\+")
    if quote(letter, safe="") == letter:  # `-`, `.`, `_` and `~` stand as they are in an address
        del forms[1]
    forms += DOUBLED.get(letter, ())
    return f"(?:{'|'.join(dict.fromkeys(forms))})"


def _flexible(escaped: str) -> str:
    """A pattern for an escaped character whose backslashes may be escaped again."""
    return "".join(r"\\+" if part == "\\" else re.escape(part) for part in re.findall(r"\\|[^\\]+", escaped))
