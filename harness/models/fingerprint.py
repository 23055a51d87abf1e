"""A model's identity as a digest of its files: nothing is loaded, and renaming the model changes nothing."""

from __future__ import annotations

from harness.core.keys import digest
from harness.models import gguf_positions, gguf_splits
from harness.models.digests import remembered_digest
from harness.models.source import gguf_file, resolve

_DECIDES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Weights, configuration, tokenizer and chat template of a model folder."""


def fingerprint(spec: str) -> str:
    """SHA-256 over the digests of the model's files, in hex.

    A GGUF file is hashed before conversion, so its fingerprint does not depend on the version of the library
    that converts it.

    Raises:
        ConfigError: no such model.
    """
    file = gguf_file(spec)
    if file is not None:
        # Its scaled positions and its split of texts were not read before: answers of then are another model's.
        scaled = {"positions": "scaled"} if gguf_positions.mentions_scaling(file) else {}
        split = {"split": "digits apart"} if gguf_splits.digits_apart(file) else {}
        return digest({"gguf": remembered_digest(file)} | scaled | split)
    folder = resolve(spec)
    files = {path.name: path for pattern in _DECIDES for path in folder.glob(pattern)}
    return digest({name: remembered_digest(path) for name, path in files.items()})
