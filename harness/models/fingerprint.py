"""What a model is, as a digest of its files: nothing is loaded, and a rename changes nothing."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from harness.core.keys import digest, file_digest
from harness.models import cache

_DECIDES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Weights, configuration, tokenizer and chat template of a model folder."""


def fingerprint(spec: str) -> str:
    """SHA-256 over the digests of the model's files, in hex.

    A GGUF file is taken as it stands, before conversion, so that it has the same fingerprint
    under every version of the library that converts it.

    Raises:
        ConfigError: no such model.
    """
    from harness.models.source import gguf_file, resolve

    file = gguf_file(spec)
    if file is not None:
        return digest({"gguf": remembered_digest(file)})
    folder = resolve(spec)
    files = {path.name: path for pattern in _DECIDES for path in folder.glob(pattern)}
    return digest({name: remembered_digest(path) for name, path in files.items()})


def remembered_digest(file: Path) -> str:
    """The SHA-256 of a file, remembered in the cache by its path, size and time of change."""
    real = file.resolve()
    state = real.stat()
    key = digest([str(real), state.st_size, state.st_mtime_ns])
    memory = cache.folder() / "digests" / f"{key}.json"
    try:
        return str(json.loads(memory.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError):
        pass
    found = file_digest(real)
    memory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False, encoding="utf-8") as draft:
        json.dump({"sha256": found}, draft)
    Path(draft.name).replace(memory)
    return found
