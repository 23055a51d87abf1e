"""A recipe that a search found, as a file that people read, edit and compare."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import yaml

from harness.core.errors import ConfigError
from harness.core.files import draft
from harness.core.keys import digest
from harness.core.recipes import Recipe, read_yaml
from harness.core.secrets import masked_values


class _Readable(yaml.SafeDumper):
    """Texts of several lines stand as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def write_recipe(recipe: Recipe, file: Path, about: str) -> Path:
    """The recipe as a YAML file that `--recipes` takes."""
    config = _slots(recipe.config()) | {"about": about}
    file.parent.mkdir(parents=True, exist_ok=True)
    values = masked_values(_plain(config))
    text = yaml.dump(values, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=100)
    with draft(file) as part:
        part.write_text(text, encoding="utf-8")
    return file


def write_beside(recipe: Recipe, file: Path, about: str, study: str) -> Path:
    """Write the recipe of a study to `file`, or beside it (`…_2.yaml`) where it would replace what another study found
    or what a person edited; return the file.
    """
    made = f"study {study}, "
    for number in count(1):
        target = file if number == 1 else file.with_stem(f"{file.stem}_{number}")
        if not target.exists() or _is_unedited(target, made):
            return write_recipe(recipe, target, f"{about}, {_mark(recipe.config())}.")
    raise AssertionError("unreachable")


def _is_unedited(file: Path, made: str) -> bool:
    """Whether the file holds what `made` wrote there."""
    try:
        config = read_yaml(file)
    except ConfigError:
        return False
    about = str(config.get("about"))
    return made in about and about.endswith(f", {_mark(config)}.")


def _mark(config: Mapping[str, object]) -> str:
    """Names the content of a recipe's file, so that a later command can tell whether it was edited."""
    return f"content {digest(_plain(_slots(config)))[:8]}"


def _slots(config: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in config.items() if key not in ("name", "about")}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
