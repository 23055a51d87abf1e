"""A recipe that a search found, as a file that people read, edit and compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from harness.core.recipes import Recipe


class _Readable(yaml.SafeDumper):
    """Texts of several lines stand as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def write_recipe(recipe: Recipe, file: Path, about: str) -> Path:
    """The recipe as a YAML file that `--recipes` takes."""
    config = {k: v for k, v in recipe.config().items() if k != "name"} | {"about": about}
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(_plain(config), Dumper=_Readable, sort_keys=False, allow_unicode=True, width=100)
    file.write_text(text, encoding="utf-8")
    return file


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
