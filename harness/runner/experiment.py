"""An experiment: which tasks, models, recipes and seeds; validated once, before anything runs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from harness.core import names, options, recipes, shipped
from harness.core.errors import ConfigError, nearest
from harness.core.kinds import Kind
from harness.core.recipes import Recipe
from harness.core.validation import adapter
from harness.evidence.command import Invocation
from harness.runner.settings import ExperimentSettings

DEFAULT_MODEL = "smollm2-135m-instruct"
DEFAULT_RECIPES = ("zero_shot", "few_shot", "constrained", "bm25_rag", "lora", "qlora", "full")

Spec = str | Mapping[str, object]
"""A recipe's name, or what an experiment file says of one."""


@dataclass(frozen=True, kw_only=True)
class ExperimentFile(ExperimentSettings):
    """The YAML file that `harness run FILE.yaml` reads: its tasks and models, and any setting of an experiment."""

    name: str | None = None
    task: str | list[str]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What to run, resolved: recipes are objects, `labels` are train-set sizes (may be empty).

    `defaults`: the user named no recipes, so those that do not fit are left out instead of failing.
    """

    name: str
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    seeds: int = 1
    limit: int | None = None
    labels: tuple[int, ...] = ()
    invocation: Invocation | None = None
    """The command that started it; None without one."""
    defaults: bool = False
    settings: ExperimentSettings = field(default_factory=ExperimentSettings)
    """Settings of the command and its file: where it runs, prices, and trackers."""


def from_file(
    path: Path, given: ExperimentSettings | None = None, invocation: Invocation | None = None
) -> Experiment:
    """Read an experiment file; a bare name that is no file here may be a shipped one, such as demo.yaml.

    Args:
        given: settings that win over the file's. A recipe that they name is the file's entry of that name, where it
            has one, else the shipped recipe.

    Raises:
        ConfigError: missing or malformed file, unknown key, unknown recipe or setting.
    """
    path = shipped.experiment_file(path)
    file = read_file(path)
    settings = file if given is None else given.over(file)
    tasks = (file.task,) if isinstance(file.task, str) else tuple(file.task)
    name = names.check(file.name, "name", path) if file.name else path.stem
    own = RecipesByName.of(_specs(file), path)
    by_name = own if given is not None and given.recipes else RecipesByName()
    return _resolved(settings, name, tasks, by_name, own, path, invocation)


def read_file(path: Path) -> ExperimentFile:
    """An experiment file as it is written; an empty key counts as absent.

    Raises:
        ConfigError: missing or malformed file, unknown key, or a value of the wrong type.
    """
    raw = recipes.read_yaml(path)
    known = [item.name for item in dataclasses.fields(ExperimentFile)]
    for key in raw:
        if key not in known:
            raise ConfigError(f"unknown key '{key}'", file=path, remedy=nearest(key, known))
    try:
        given = {key: value for key, value in raw.items() if value is not None}
        return adapter(ExperimentFile).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{first['loc'][0]}: {first['msg']} (got {first['input']!r})", file=path) from None


def from_settings(
    settings: ExperimentSettings,
    name: str,
    tasks: tuple[str, ...],
    *,
    invocation: Invocation | None = None,
) -> Experiment:
    """What the settings name, loaded and checked.

    Raises:
        ConfigError: an unknown recipe or setting, or a number below 1.
    """
    shipped_alone = RecipesByName()
    return _resolved(settings, name, tasks, shipped_alone, shipped_alone, None, invocation)


def _resolved(
    settings: ExperimentSettings,
    name: str,
    tasks: tuple[str, ...],
    by_name: RecipesByName,
    typed: RecipesByName,
    file: Path | None,
    invocation: Invocation | None,
) -> Experiment:
    """The experiment, its recipes looked up in `by_name`; `typed` is what `--recipes` can name in a later command."""
    specs = _specs(settings)
    chosen = [recipe for spec in specs or DEFAULT_RECIPES for recipe in by_name.find(spec, file)]
    if invocation is not None:
        known = dict.fromkeys(recipe.name for recipe in chosen if typed.leads_to(recipe))
        invocation = dataclasses.replace(invocation, known=tuple(known))
    overrides = options.repeated(settings.settings)
    return Experiment(
        name=name,
        tasks=tasks,
        models=options.repeated(settings.model) or (DEFAULT_MODEL,),
        recipes=tuple(with_overrides(recipe, overrides) for recipe in chosen),
        seeds=1 if settings.seeds is None else options.positive(settings.seeds, "--seeds"),
        limit=None if settings.limit is None else options.positive(settings.limit, "--limit"),
        labels=options.numbers(settings.labels, "--labels"),
        invocation=invocation,
        defaults=not specs,
        settings=settings,
    )


def _specs(settings: ExperimentSettings) -> Sequence[Spec]:
    return options.names(settings.recipes) if isinstance(settings.recipes, str) else settings.recipes


@dataclass(frozen=True, kw_only=True)
class RecipesByName:
    """The entries of an experiment file by their names; a name without an entry is a shipped recipe's."""

    entries: Mapping[str, tuple[Mapping[str, object], ...]] = field(default_factory=dict)
    file: Path | None = None

    @classmethod
    def of(cls, specs: Sequence[Spec], file: Path) -> RecipesByName:
        """Entries without a name of their own have that of the recipe that they extend."""
        entries: dict[str, tuple[Mapping[str, object], ...]] = {}
        for spec in specs:
            if not isinstance(spec, str):
                name = str(spec.get("name") or spec.get("extends"))
                entries[name] = (*entries.get(name, ()), spec)
        return cls(entries=entries, file=file)

    def find(self, spec: Spec, file: Path | None) -> list[Recipe]:
        """The recipe that is described or named; several where entries share the name.

        Raises:
            ConfigError: an unknown recipe or setting.
        """
        if not isinstance(spec, str):
            return [_recipe(spec, file)]
        if spec in self.entries:
            return [_recipe(entry, self.file) for entry in self.entries[spec]]
        return [recipes.load(spec, others=self.entries)]

    def leads_to(self, recipe: Recipe) -> bool:
        """Whether the recipe's name alone leads to it."""
        if recipe.name not in self.entries and recipe.name not in recipes.available():
            return False
        return any(named.config() == recipe.config() for named in self.find(recipe.name, None))


def with_overrides(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """A recipe with `slot.field=value` settings applied, as given by `--set`.

    Raises:
        ConfigError: not of that form, or an unknown slot or field.
    """
    changes: dict[str, dict[str, object]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        slot, dot, field = name.partition(".")
        if not (equals and dot and field):
            raise ConfigError(f"--set {setting!r} is not slot.field=value", remedy="e.g. weights.lora_r=8")
        changes.setdefault(slot, {})[field] = value_of(value)
    return _merged(recipe, changes, None) if changes else recipe


def value_of(text: str) -> object:
    """A value as YAML reads it, plus numbers such as 1e-6, which YAML 1.1 reads as text."""
    import yaml

    if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text):
        return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _recipe(spec: Mapping[str, object], file: Path | None) -> Recipe:
    parent, name = _name(spec, "extends", file), _name(spec, "name", file)
    slots = {key: value for key, value in spec.items() if key not in ("extends", "name")}
    if name is not None:
        names.check(name, "recipe", file)
    if parent is None:
        if name is None:
            raise ConfigError("a recipe needs 'name' or 'extends'", file=file)
        return recipes.from_config(slots, name=name, file=file)
    return _merged(recipes.load(parent), slots, file, name=name)


def _name(spec: Mapping[str, object], key: str, file: Path | None) -> str | None:
    name = spec.get(key)
    if not isinstance(name, str | None):
        raise ConfigError(f"'{key}' of a recipe is a name, not {name!r}", file=file)
    return name


def _merged(
    recipe: Recipe, changes: Mapping[str, object], file: Path | None, name: str | None = None
) -> Recipe:
    """`recipe` with the fields in `changes` replaced slot by slot."""
    config = recipe.config()
    parts: Mapping[str, Kind] = {"data": recipe.data, "base": recipe.base, "program": recipe.program}
    for slot, fields in changes.items():
        if slot not in recipes.SLOTS:
            raise ConfigError(f"unknown slot '{slot}'", file=file, remedy=nearest(slot, recipes.SLOTS))
        if not isinstance(fields, dict) or "kind" in fields:
            config[slot] = fields
        elif slot == "weights":
            config[slot] = [stage.config() | stage.translated(fields, file) for stage in recipe.weights]
        else:
            config[slot] = parts[slot].config() | parts[slot].translated(fields, file)
    return recipes.from_config(config, name=name or recipe.name, about=recipe.about, file=file)
