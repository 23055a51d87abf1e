"""An experiment: which tasks, models, recipes and seeds; validated once, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core import kinds, names, recipes, shipped
from harness.core.errors import ConfigError, nearest
from harness.core.recipes import Recipe
from harness.evidence.command import Invocation

DEFAULT_MODEL = "smollm2-135m-instruct"
DEFAULT_RECIPES = ("zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full")


class ExperimentFile(BaseModel):
    """The YAML file that `harness run FILE.yaml` reads; every key has the command line's name."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    task: str | list[str]
    model: str | list[str] = DEFAULT_MODEL
    recipes: list[str | dict[str, Any]] | None = Field(default=None, min_length=1)
    seeds: int = Field(default=1, ge=1)
    limit: int | None = Field(default=None, ge=1)
    labels: list[int] = Field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What to run, resolved: recipes are objects, `labels` are train-set sizes (may be empty).

    `defaults`: nobody named the recipes, so those that do not fit are left out instead of failing.
    """

    name: str
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    seeds: int = 1
    limit: int | None = None
    labels: tuple[int, ...] = ()
    invocation: Invocation | None = None
    """The command that asked for it; None where no command did."""
    defaults: bool = False


def from_file(path: Path) -> Experiment:
    """Read an experiment file; a bare name that is no file here may be a shipped one, such as demo.yaml.

    Raises:
        ConfigError: missing or malformed file, unknown key, unknown recipe or setting.
    """
    path = shipped.experiment_file(path)
    raw = recipes.read_yaml(path)
    known = list(ExperimentFile.model_fields)
    for key in raw:
        if key not in known:
            raise ConfigError(f"unknown key '{key}'", file=path, remedy=nearest(key, known))
    try:
        file = ExperimentFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{setting}: {first['msg']} (got {first['input']!r})", file=path) from None
    return Experiment(
        name=names.check(file.name, "name", path) if file.name else path.stem,
        tasks=tuple([file.task] if isinstance(file.task, str) else file.task),
        models=tuple([file.model] if isinstance(file.model, str) else file.model),
        recipes=tuple(_recipe(spec, path) for spec in file.recipes or DEFAULT_RECIPES),
        defaults=file.recipes is None,
        seeds=file.seeds,
        limit=file.limit,
        labels=tuple(file.labels),
    )


def with_overrides(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """A recipe with `slot.field=value` settings applied, as given by `--set`.

    Raises:
        ConfigError: not of that form, or an unknown slot or field.
    """
    changes: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        slot, dot, field = name.partition(".")
        if not (equals and dot and field):
            raise ConfigError(f"--set {setting!r} is not slot.field=value", remedy="e.g. weights.lora_r=8")
        changes.setdefault(slot, {})[field] = value_of(value)
    return _merged(recipe, changes, None) if changes else recipe


def value_of(text: str) -> object:
    """As YAML reads it, and numbers such as 1e-6, which YAML 1.1 takes for words."""
    import yaml

    if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text):
        return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _recipe(spec: str | dict[str, Any], file: Path) -> Recipe:
    if isinstance(spec, str):
        return recipes.load(spec)
    spec = dict(spec)
    parent, name = spec.pop("extends", None), spec.pop("name", None)
    for key, value in (("extends", parent), ("name", name)):
        if not isinstance(value, str | None):
            raise ConfigError(f"'{key}' of a recipe is a name, not {value!r}", file=file)
    if name is not None:
        names.check(name, "recipe", file)
    if parent is None:
        if name is None:
            raise ConfigError("a recipe needs 'name' or 'extends'", file=file)
        return recipes.from_config(spec, name=name, file=file)
    return _merged(recipes.load(parent), spec, file, name=name)


def _translated(
    slot: str, stage: Mapping[str, Any], fields: Mapping[str, Any], file: Path | None
) -> dict[str, Any]:
    """Changes under the names of the fields of the kind that they change."""
    kind = kinds.lookup("programs" if slot == "program" else slot, stage["kind"])
    translated: dict[str, Any] = kind.translated(fields, file)
    return translated


def _merged(recipe: Recipe, changes: Mapping[str, Any], file: Path | None, name: str | None = None) -> Recipe:
    """`recipe` with the fields in `changes` replaced slot by slot."""
    config: dict[str, Any] = recipe.config()
    for slot, fields in changes.items():
        if slot not in recipes.SLOTS:
            raise ConfigError(f"unknown slot '{slot}'", file=file, remedy=nearest(slot, recipes.SLOTS))
        if not isinstance(fields, dict) or "kind" in fields:
            config[slot] = fields
        elif slot == "weights":
            config[slot] = [stage | _translated(slot, stage, fields, file) for stage in config[slot]]
        else:
            config[slot] = config[slot] | _translated(slot, config[slot], fields, file)
    return recipes.from_config(config, name=name or recipe.name, about=recipe.about, file=file)
