"""What an untrusted model folder may not do: lead out of itself, name weights that no key covers, or name
code to run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from harness.core import guarded
from harness.core.errors import ConfigError

PATTERNS = ("*", "additional_chat_templates/*")
"""Everything that transformers looks for in a folder."""
ATTENTION = ("attn_implementation", "experts_implementation")
"""Suffixes of settings that name a function, which transformers downloads and runs if the name is on the
hub."""

REMEMBERED = ("_token", "_tokens", "_file", "name_or_path", "chat_template", "_class")
"""Suffixes of a tokenizer's settings of which transformers opens none as they are written there."""


def check(folder: Path) -> None:
    """Check what a model's JSON files name.

    Raises:
        ConfigError: a link out of the folder, a device or pipe, a file that is too large, weights elsewhere, or
            an attention function of the hub.
    """
    guarded.folder(folder, PATTERNS, what=guarded.MODEL)
    for index in sorted(folder.glob("*.index.json")):
        for name in _weights(index):
            if Path(name).name != name or not name.endswith(".safetensors"):
                raise ConfigError(
                    f"names weights that are not beside it: {name!r}",
                    file=index,
                    remedy="name .safetensors files of the same folder",
                )
    for name in _files_named(folder / "tokenizer_config.json"):
        if not guarded.is_inside(Path(name), guarded.holder(folder)):
            raise ConfigError(
                f"names a file outside {guarded.MODEL}: {name!r}",
                file=folder / "tokenizer_config.json",
                remedy="delete that line",
            )
    for file in (folder / "config.json", folder / "generation_config.json"):
        for key, name in _attention(_json(file)):
            if not name.replace("_", "").replace("|", "").isalnum():
                raise ConfigError(
                    f"{key} names code outside transformers: {name!r}", file=file, remedy="delete that line"
                )


def _files_named(config: Path) -> Iterator[str]:
    """Values in a tokenizer's settings that a tokenizer would open: each names a file of this machine.

    Tokens are texts, and where the tokenizer was made is only remembered.
    """
    content = _json(config)
    for key, value in content.items() if isinstance(content, dict) else ():
        if key.endswith(REMEMBERED):
            continue
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and os.path.isfile(text):  # noqa: PTH113 it never raises, whatever the text is
                yield text


def _weights(index: Path) -> Iterator[str]:
    content = _json(index)
    named = content.get("weight_map") if isinstance(content, dict) else None
    yield from dict.fromkeys(str(name) for name in named.values()) if isinstance(named, dict) else ()


def _attention(value: object) -> Iterator[tuple[str, str]]:
    """The settings of a configuration, and of its parts, that name an attention function."""
    if isinstance(value, dict):
        for key, item in value.items():
            if str(key).endswith(ATTENTION):
                names = item.values() if isinstance(item, dict) else [item]
                yield from ((str(key), str(name)) for name in names if name is not None)
            else:
                yield from _attention(item)
    elif isinstance(value, list):
        for item in value:
            yield from _attention(item)


def _json(file: Path) -> object:
    """A file's JSON; None if there is none, which the next code that reads the file reports."""
    if not file.is_file():
        return None
    try:
        content: object = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return None
    return content
