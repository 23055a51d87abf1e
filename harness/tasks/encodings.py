"""Text files and their encodings: read as named, or refused with the encoding that would work."""

from __future__ import annotations

import codecs
import io
import re
import shlex
import sys
from pathlib import Path

from harness.core import packed
from harness.core.errors import ConfigError
from harness.core.formatting import counted

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""What a byte order mark at the start of a file says."""
ICONV = {
    "latin-1": "latin1", "utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "euc_jp": "EUC-JP", "koi8_r": "KOI8-R",
    "koi8_u": "KOI8-U", "iso2022_jp": "ISO-2022-JP", "iso8859_5": "ISO-8859-5", "iso8859_7": "ISO-8859-7",
}  # fmt: skip
"""iconv's names of codecs that have another name in Python."""
SAMPLE = 65_536
"""Bytes that are examined to detect UTF-16 without a mark."""
SCRIPTS = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), ("gb18030", "Chinese, GBK")),
    **dict.fromkeys(("big5", "big5hkscs", "cp950"), ("big5", "Chinese, Big5")),
    **dict.fromkeys(
        ("shift_jis", "cp932", "shift_jis_2004", "shift_jisx0213"), ("cp932", "Japanese, Shift-JIS")
    ),
    **dict.fromkeys(("euc_jp", "euc_jis_2004", "euc_jisx0213"), ("euc_jp", "Japanese, EUC-JP")),
    **dict.fromkeys(("euc_kr", "cp949", "johab"), ("cp949", "Korean, EUC-KR")),
    "iso2022_jp": ("iso2022_jp", "Japanese"),
    "koi8_r": ("koi8_r", "Cyrillic, KOI8-R"),
    "koi8_u": ("koi8_u", "Cyrillic, KOI8-U"),
    "cp1251": ("cp1251", "Cyrillic, Windows-1251"),
    "iso8859_5": ("iso8859_5", "Cyrillic, ISO 8859-5"),
    "cp866": ("cp866", "Cyrillic, DOS"),
    "cp1253": ("cp1253", "Greek, Windows-1253"),
    "iso8859_7": ("iso8859_7", "Greek, ISO 8859-7"),
    "cp1255": ("cp1255", "Hebrew, Windows-1255"),
    "cp1256": ("cp1256", "Arabic, Windows-1256"),
    "cp874": ("cp874", "Thai, Windows-874"),
    "tis_620": ("cp874", "Thai, Windows-874"),
}
"""Encodings of other alphabets: the detector's name, the codec that reads them, and the common name."""
LATIN = {"cp1250": "Central European, Windows-1250", "cp1254": "Turkish, Windows-1254"}
"""Encodings of the Latin alphabet beside Windows-1252 and Latin-1, which they share most letters with."""
TURKISH = "ÐÝÞðýþ"
"""Icelandic letters of Windows-1252 that are Turkish ones in Windows-1254."""
SPARSE = 0.15
"""Share of bytes beyond ASCII below which a text may be in the Latin alphabet with accents."""
SHOWN = 30
UNDEFINED_1252 = frozenset((0x81, 0x8D, 0x8F, 0x90, 0x9D))
"""Bytes that mean nothing in Windows-1252."""


ERRORS = "surrogate-pairs"
"""Error handler to read files with: UTF-8 in which pairs of surrogates stand for emojis, as Java writes it (CESU-8)."""
_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


def _pair(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError) and error.encoding == "utf-8":
        pair = _PAIR.match(error.object, error.start)
        if pair is not None:
            utf_16 = pair[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
            return utf_16.decode("utf-16"), pair.end()
    raise error


codecs.register_error(ERRORS, _pair)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A text file without its byte order mark.

    Raises:
        ConfigError: missing, an unknown encoding, or not in that encoding: names the byte, its line and
            the encoding that would work.
    """
    try:
        data = path.read_bytes()
        return data.decode(actual(path, encoding), ERRORS).removeprefix("\ufeff")
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        message = f"not {encoding.upper()} ({byte})"
        remedy = _one_odd_byte(path, data) or _remedy(path, likely(data), data)
        raise ConfigError(message, file=path, line=line, remedy=remedy) from None
    except (LookupError, ValueError):
        raise _unknown(encoding, path) from None


def refuse_unknown(encoding: str, path: Path) -> None:
    """Check the name of an encoding, even where a file has nothing to decode.

    Raises:
        ConfigError: Python has no such codec for text: `zlib` and `base64` turn bytes into bytes, `idna` is for names of
            hosts, and no name holds a NUL.
    """
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=ERRORS).read()
    except (LookupError, ValueError):
        raise _unknown(encoding, path) from None


def _unknown(encoding: str, path: Path) -> ConfigError:
    return ConfigError(f"unknown encoding {encoding!r}", file=path, remedy="e.g. utf-8, latin-1")


def actual(path: Path, encoding: str) -> str:
    """The codec to read a file with: its byte order mark takes precedence over the default.

    Raises:
        ConfigError: a packed file, or UTF-16 without a byte order mark, read as UTF-8.
    """
    with path.open("rb") as stream:
        head = stream.read(SAMPLE)
    refusal = packed.refusal(path, head)
    if refusal is not None:
        raise refusal
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        return _with_byte_order(encoding, head)
    for mark, codec in MARKS.items():
        if head.startswith(mark):
            return codec
    if b"\x00" in head and (wide := _wide(head)):
        raise ConfigError(
            "not UTF-8 but UTF-16 without a byte order mark", file=path, remedy=_remedy(path, wide, head)
        )
    return encoding


def _with_byte_order(encoding: str, head: bytes) -> str:
    """UTF-16 or UTF-32 with the machine's byte order if no mark names one: a stream refuses it, `decode` does
    not."""
    name = codecs.lookup(encoding).name
    if name not in ("utf-16", "utf-32") or any(head.startswith(mark) for mark in MARKS):
        return encoding
    return f"{name}-{'le' if sys.byteorder == 'little' else 'be'}"


def likely(data: bytes) -> str:
    """The encoding of bytes that are not UTF-8: UTF-16, or the one in which charset-normalizer finds a language.

    Texts in the Latin alphabet give little evidence, so their letters decide: Windows-1252 and Latin-1 differ
    in the bytes 0x80 to 0x9f alone, which are letters and quotes in the former, control characters in the
    latter.
    """
    mark = next((codec for mark, codec in MARKS.items() if data.startswith(mark)), None)
    if codec := mark or _wide(data[:SAMPLE]):
        return codec
    sample = _with_other_letters(data)
    if not _is_accented_latin(sample):
        import charset_normalizer

        for match in charset_normalizer.from_bytes(sample):
            if match.encoding in SCRIPTS and _decodes(data, SCRIPTS[match.encoding][0]):
                return SCRIPTS[match.encoding][0]
            if match.encoding in (*LATIN, "cp1252", "latin_1"):
                break
    return _latin(data)


def _with_other_letters(data: bytes) -> bytes:
    """The first lines that are not pure ASCII: those in which the encoding shows."""
    lines: list[bytes] = []
    size = 0
    for line in data.splitlines(keepends=True):
        if not line.isascii():
            lines.append(line)
            size += len(line)
        if size > SAMPLE:
            break
    return b"".join(lines)


def _is_accented_latin(data: bytes) -> bool:
    """Whether bytes beyond ASCII are few and stand alone, as accents do."""
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", data)]
    return bool(runs) and sum(runs) < SPARSE * len(data) and sum(runs) < 1.5 * len(runs)


def _latin(data: bytes) -> str:
    """The encoding of a text in the Latin alphabet with accents."""
    middle = {byte for byte in data if 0x80 <= byte <= 0x9F}
    western = "cp1252" if middle and not middle & UNDEFINED_1252 else "latin-1"
    text = data.decode("cp1252" if western == "cp1252" else "latin-1")
    if _odd_inside_words(text) and _decodes(data, "cp1250"):
        central = data.decode("cp1250")
        if _odd_inside_words(central) < _odd_inside_words(text):
            return "cp1250"
    turkish = sum(map(text.count, TURKISH))
    if turkish > 1 and not re.search(r"[æÆ]", text) and _decodes(data, "cp1254"):
        return "cp1254"
    return western


def _odd_inside_words(text: str) -> int:
    """Signs between letters or at the end of a word that no word has there: "przysz³o"."""
    return len(re.findall(r"(?<=[^\W\d_])[¹²³ºª¿¡¤¥£¢±¶¼½¾\x80-\x9f]", text))


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def assumed(path: Path, encoding: str) -> str:
    """The encoding a text file is read in, if that is not UTF-8, with a piece of the file; empty for
    UTF-8."""
    codec = actual(path, encoding)
    if codec.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig", "ascii"):
        return ""
    with path.open("rb") as stream:
        shown = excerpt(stream.read(16 * SAMPLE).decode(codec, "ignore").removeprefix("\ufeff"))
    return f"encoding: read as {codec}{f', such as {shown!r}' if shown else ''}; for another: --encoding NAME"


def excerpt(text: str) -> str:
    """The first piece of a text that is not ASCII, which shows a person whether it was read correctly."""
    match = re.search(r"[^\x00-\x7f]", text)
    if match is None:
        return ""
    before = re.split(r'[\n",;\t]', text[max(0, match.start() - SHOWN // 3) : match.start()])[-1]
    start = match.start() - len(before)
    return re.split(r'[\n",;\t]', text[start : start + SHOWN])[0].strip()


def _wide(data: bytes) -> str | None:
    """UTF-16 by its zero bytes: every second one, in texts of Latin letters."""
    half = max(1, len(data) // 2)
    for codec, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        if data[first::2].count(0) > 0.7 * half and data[1 - first :: 2].count(0) < 0.1 * half:
            return codec
    return None


def _one_odd_byte(path: Path, data: bytes) -> str:
    """What to do with a text that is UTF-8 but for a few bytes; empty for another encoding."""
    text = data.decode("utf-8", "replace")
    odd = text.count("\ufffd")
    if odd >= sum(not character.isascii() for character in text) - odd:
        return ""
    drop = f"iconv -c -f utf-8 -t utf-8 {shlex.quote(path.name)} > {shlex.quote(f'converted{path.suffix}')}"
    return (
        f"all else is UTF-8, but for {counted(odd, 'place')}: correct that line, or drop the bytes ({drop})"
    )


def _remedy(path: Path, codec: str, data: bytes) -> str:
    known = dict(SCRIPTS.values()) | LATIN
    shown = excerpt(data.decode(codec, "replace"))
    convert = f"iconv -f {ICONV.get(codec, codec)} -t utf-8 {shlex.quote(path.name)} > {shlex.quote(f'converted{path.suffix}')}"
    return (
        f"it looks like {codec}{f' ({known[codec]})' if codec in known else ''}"
        f"{f', which reads: {shown!r}' if shown else ''}: convert it ({convert}), or add --encoding {codec} to "
        f"`harness init`, or to a task file data: {{encoding: {codec}}}"
    )
