"""Random answers that a language allows, byte by byte."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from harness.engines.grammar import Language

_ENDING = b'"}]'
"""Bytes that are preferred after a while, so that walks end."""


def walk(language: Language, draw: random.Random, *, patience: int = 40, most: int = 2000) -> str | None:
    """One answer of the language; None where the walk did not end, or ended within a character."""
    matcher, text = language.start(), bytearray()
    while len(text) < most:
        allowed = _allowed(matcher)
        if not allowed:
            break
        if None in allowed and (len(allowed) == 1 or draw.random() < 0.5):
            break
        options = [byte for byte in allowed if byte is not None]
        ending = [byte for byte in options if byte in _ENDING]
        plain = [byte for byte in options if byte < 128]
        byte = draw.choice(
            ending if ending and len(text) > patience else plain if plain and draw.random() < 0.9 else options
        )
        assert matcher.consume_token(byte)
        text.append(byte)
    if not matcher.is_accepting():
        return None
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


def _allowed(matcher: Any) -> list[int | None]:
    """The bytes that may follow; None stands for the end."""
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
    tokens = np.flatnonzero(bits).tolist()
    return [token if token < 256 else None for token in tokens]
