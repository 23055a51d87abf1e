"""Characters that JSON and YAML escape as two halves (UTF-16 surrogates)."""

from __future__ import annotations

from typing import Any


def whole(value: Any) -> Any:
    """A JSON value whose escaped halves of characters are put together, as RFC 8259 section 7 means them.

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
