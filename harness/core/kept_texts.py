"""Texts that were rendered in a child, remembered for the next time: as many as are allowed, the oldest forgotten first."""

from __future__ import annotations

import hashlib
import pickle


def key(request: object) -> bytes:
    """What stands for everything that decides a text."""
    return hashlib.blake2b(pickle.dumps(request), digest_size=16).digest()


def keep(texts: dict[bytes, str], name: bytes, text: str, most: int, longest: int) -> None:
    """Remember a text that is not long.

    Args:
        texts: those that are remembered.
        name: the text's `key`.
        most: how many are remembered.
        longest: characters of the longest.
    """
    if len(text) > longest:
        return
    if name not in texts and len(texts) >= most:
        del texts[next(iter(texts))]
    texts[name] = text
