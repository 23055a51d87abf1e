"""How a GGUF file's texts are split before merges apply, put into the tokenizer that was read from it.

A byte-level file names its split in `tokenizer.ggml.pre`. transformers knows about half of the names and splits any other as
GPT-2's texts are, without a word (findings/transformers-gguf-splits-texts-in-another-way.sh). The bundled model is one of them.
"""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_KEY = b"tokenizer.ggml.pre"
_TEXT = 8
"""The type of a text among a GGUF file's values."""

_DIGITS_APART = {"codeshell", "command-r", "exaone", "minerva-7b", "refact", "smollm", "starcoder"}
"""Every digit first, then as GPT-2: spaces before a number keep together."""

_GPT2 = {
    "a.x-4.0",
    "gigachat",
    "gpt-2",
    "granite-docling",
    "jais",
    "jina-de",
    "jina-es",
    "jina-v1-en",
    "jina-v2-code",
    "jina-v2-de",
    "jina-v2-es",
    "mellum",
    "modern-bert",
    "mpt",
    "olmo",
    "phi-2",
    "roberta-bpe",
    "trillion",
}
_NOT_SAID = {None, "default"}
"""The program that wrote the file did not know either."""


class Fast(Protocol):
    """What is needed of a tokenizer."""

    @property
    def backend_tokenizer(self) -> Tokenizer: ...


def split_name(file: Path) -> str | None:
    """The split that the file names; None if it names none. The file is not parsed."""
    if not file.stat().st_size:
        return None
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # With its length before it, the key is no part of a longer one.
        start = content.find(struct.pack("<Q", len(_KEY)) + _KEY)
        at = start + 8 + len(_KEY)
        if start < 0 or len(content) < at + 12:
            return None
        kind, length = struct.unpack_from("<IQ", content, at)
        text = content[at + 12 : at + 12 + min(length, 100)] if kind == _TEXT else b""
    return text.decode("utf-8", "replace") or None


def digits_apart(file: Path) -> bool:
    """Whether `restore` changes what transformers makes of the file."""
    return split_name(file) in _DIGITS_APART


def restore(file: Path, tokenizer: Fast) -> None:
    """Give `tokenizer` the split that the file names, where transformers did not.

    Raises:
        ConfigError: a split that neither transformers nor this module knows.
    """
    from tokenizers import pre_tokenizers

    inner = tokenizer.backend_tokenizer
    held = json.loads(inner.to_str())["pre_tokenizer"] or {}
    name = split_name(file)
    if held.get("type") != "ByteLevel" or not held.get("use_regex") or name in _GPT2 | _NOT_SAID:
        return
    if name not in _DIGITS_APART:
        raise ConfigError(
            f"its texts are split into words in a way that transformers does not read from GGUF: {name}",
            file=file,
            remedy="name the folder or hub id that the file was made from, or serve the file and name the server",
        )
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
