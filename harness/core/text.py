"""Text from outside: halves of characters (UTF-16 surrogates), and how it is shown without side effects."""

from __future__ import annotations

import re
from typing import Any

_POWER = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BREAKS = re.compile("[\t-\r\x1c-\x1e\x85\u2028\u2029]+")
_COMMAND = re.compile(r"##(?=\w*\[)")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_LINKS = re.compile(r"(?i)(@|:(?=//)|www(?=\.))")


def whole(value: object) -> Any:
    """A JSON value whose escaped halves of characters are joined, as RFC 8259 section 7 intends.

    Raises:
        ValueError: half a character stands alone: no UTF-8 file can hold it.
        RecursionError: nested too deeply.
    """
    if isinstance(value, str):
        return value if value.isascii() else _joined(value)
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


def _joined(text: str) -> str:
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        lone = next(letter for letter in text if "\ud800" <= letter <= "\udfff")
        raise ValueError(f"half a character (the lone surrogate {ascii(lone)[1:-1]})") from None


def repaired_text(text: str) -> str:
    """`text` with the replacement character for each half of a character that stands alone."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def repaired(value: object) -> object:
    """A JSON value whose texts are as `repaired_text` makes them."""
    if isinstance(value, str):
        return repaired_text(value)
    if isinstance(value, dict):
        return {repaired(key): repaired(item) for key, item in value.items()}
    return [repaired(item) for item in value] if isinstance(value, list) else value


def one_line(text: str) -> str:
    """Foreign text for a terminal or a CI log: one line, control and direction marks as escapes.

    `::` at the beginning of a line (GitHub) and `##[`, `##vso[` and similar marks anywhere (Azure, TeamCity)
    are commands to CI services; none is left intact.
    """
    shown = _POWER.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    return _no_command(shown)


def unbroken(text: str) -> str:
    """`text` with line breaks and tabs replaced by spaces."""
    return _BREAKS.sub(" ", text)


def pictured(text: str) -> str:
    """`text` with control characters other than line breaks and tabs replaced by their control pictures, or by U+FFFD
    where Unicode has no picture."""
    return _UNPRINTABLE.sub(lambda m: chr(0x2400 + ord(m[0])) if ord(m[0]) < 0x20 else "\ufffd", text)


def visible(text: str) -> str:
    """Foreign text of several lines for a terminal: control and direction marks as escapes, line breaks and tabs kept."""
    shown = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    return "\n".join(map(_no_command, shown.split("\n"))) if "::" in shown or "##" in shown else shown


def _no_command(line: str) -> str:
    shown = _COMMAND.sub("# #", line)
    return f"\\{shown}" if shown.lstrip().startswith("::") else shown


def json_text(text: str) -> str:
    """JSON on one line for a terminal or a CI log: the same value, its control and direction marks, lone surrogates and
    commands to CI services written as JSON escapes."""
    escaped = _POWER.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _COMMAND.sub("\\\\u0023#", escaped)


def cell_text(value: object) -> object:
    """A cell of a CSV file: text that a spreadsheet would take for a formula begins with a quote mark instead."""
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def markdown(text: str) -> str:
    """Foreign text for Markdown: it stays text, and does not become a heading, link, image, mention, tag or
    table cell."""
    escaped = _MARKUP.sub(r"\\\1", one_line(text))
    return _LINKS.sub("\\1\u200b", escaped)


def code_span(text: str) -> str:
    """Foreign text for Markdown, as code on one line; backticks in it do not end the span."""
    shown = one_line(text)
    marks = _fence(shown, 1)
    space = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) or not shown else ""
    return f"{marks}{space}{shown}{space}{marks}"


def code_block(text: str, language: str) -> str:
    """Foreign text for Markdown, as a block of code, which no line in it ends."""
    marks = _fence(text, 3)
    return f"{marks}{language}\n{visible(text)}\n{marks}"


def _fence(text: str, least: int) -> str:
    """More backticks than stand in a row in `text`."""
    return "`" * max(least, *(len(run) + 1 for run in re.findall("`+", text)), 0)
