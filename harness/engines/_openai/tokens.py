"""Token counts for servers that send none, estimated with the closest tokenizer available."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

LETTERS = 4
"""Characters per token of English, used if no tokenizer is available."""


class Estimate:
    """Counts the tokens of texts for one served model; loads a tokenizer on first use."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._answers = 0
        self._source = ""

    def __call__(self, text: str) -> int:
        """The number of tokens in a text."""
        with self._lock:
            count, self._source = _tokenizer(self._model)
            return count(text)

    def answer(self) -> None:
        """Note that an answer's counts were estimated."""
        with self._lock:
            self._answers += 1

    @property
    def notes(self) -> tuple[str, ...]:
        if not self._answers:
            return ()
        answers = "1 answer" if self._answers == 1 else f"{self._answers} answers"
        return (f"token counts of {answers} are estimated {self._source}: the server sends none",)


@cache
def _tokenizer(model: str) -> tuple[Callable[[str], int], str]:
    """A counter, and what it counts with: the model's own tokenizer, the bundled model's, or characters."""
    from harness.core.errors import ConfigError
    from harness.models.source import SMOLLM2, gguf_file

    if (own := _load(model)) is not None:
        return own, "with the model's own tokenizer"
    try:
        file = gguf_file(SMOLLM2)
    except ConfigError:
        file = None
    bundled = None if file is None else _load(str(file.parent), file)
    if bundled is not None:
        return bundled, f"with the tokenizer of {SMOLLM2}"
    return lambda text: -(-len(text) // LETTERS), f"at {LETTERS} characters per token"


def _load(name: str, file: Path | None = None) -> Callable[[str], int] | None:
    """Counts with a tokenizer that is on this machine already, in a GGUF file if one is given; None if there is none."""
    from transformers import AutoTokenizer

    from harness.models import gguf_splits

    more = {} if file is None else {"gguf_file": file.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            name, local_files_only=True, trust_remote_code=False, **more
        )
    except (OSError, ValueError, KeyError, ImportError):
        return None
    if file is not None:
        gguf_splits.restore(file, tokenizer)
    return lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
