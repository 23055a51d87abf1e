"""Lazy lookup of kinds: the file's name is the kind's name, and no list is kept.

A *room* is a package such as `harness.methods.programs`; each public file in it holds exactly one
class derived from `Kind`. An installed package adds a module of its own to a room with an entry
point of the group `harness.<room>`. Nothing is imported until it is asked for by name.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self, TypeVar

from pydantic import ConfigDict, ValidationError

from harness.core.errors import ConfigError, nearest
from harness.core.validation import adapter

KindType = TypeVar("KindType")
Spec = str | Mapping[str, object]
Translate = Callable[[object], Mapping[str, object]]
"""The value of another tool's setting → fields and their values."""

ROOMS: Mapping[str, str] = {
    **dict.fromkeys(("data", "base", "weights", "programs", "retrieval"), "harness.methods"),
    **dict.fromkeys(("formats", "layouts", "scorers"), "harness.tasks"),
    **dict.fromkeys(("executors", "loggers"), "harness.runner"),
    "sections": "harness.report",
    "logs": "harness.imports",
}
"""Room of kinds -> the package that holds it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Something that a YAML file names by `kind:`.

    Its dataclass fields are its configuration, its part of the cache key and its search
    space at once. `version` is raised whenever the same configuration would give another
    result. `paper` names where the method comes from. `aliases` maps names that users bring
    from other tools to field names.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    version: ClassVar[int] = 1
    paper: ClassVar[str] = ""
    aliases: ClassVar[Mapping[str, str]] = {}
    foreign: ClassVar[Mapping[str, Translate]] = {}
    """Names of other tools whose values mean something else here → a function that gives the fields they set;
    it raises ValueError to refuse."""
    implied: ClassVar[Mapping[str, Translate]] = {}
    """Names of other tools → fields that they also set there, unless these are given."""

    @classmethod
    def translated(cls, given: Mapping[str, object], file: Path | str | None = None) -> dict[str, object]:
        """Settings as a user writes them, under the names of this kind's fields.

        Raises:
            ConfigError: one setting under two names, or a value of another tool that has no equivalent here.
        """
        fields: dict[str, object] = {}
        names: dict[str, str] = {}
        for name, value in given.items():
            try:
                settings = (
                    cls.foreign[name](value) if name in cls.foreign else {cls.aliases.get(name, name): value}
                )
            except ValueError as error:
                raise ConfigError(f"{cls.name()}.{name}: {error}", file=file) from None
            for field, setting in settings.items():
                if field in names:
                    message = (
                        f"{cls.name()}: '{names[field]}' and '{name}' are two names of one setting, '{field}'"
                    )
                    raise ConfigError(message, file=file, remedy="give one of them")
                names[field], fields[field] = name, setting
        for name in given:
            if name in cls.implied:
                fields = {**cls.implied[name](given[name]), **fields}
        return fields

    @classmethod
    def name(cls) -> str:
        return cls.__module__.rpartition(".")[2]

    def config(self) -> dict[str, object]:
        """The resolved configuration as plain JSON values, with its kind."""
        return {"kind": self.name(), **dataclasses.asdict(self)}

    def identity(self) -> dict[str, object]:
        """This kind's part of the cache key: its configuration and version, without the fields that
        cannot change a result and those at their `key_default`. A plugin's kind names its package
        too: another package may hold another kind of the same name."""
        config = self.config()
        for field in dataclasses.fields(self):
            default = field.metadata.get("key_default", dataclasses.MISSING)
            if not field.metadata.get("in_key", True) or getattr(self, field.name) == default:
                config.pop(field.name, None)
        package = type(self).__module__.partition(".")[0]
        plugin = {} if package == "harness" else {"package": package}
        return {**config, **plugin, "version": self.version}

    def replace(self, **changes: object) -> Self:
        """A validated copy with some fields changed."""
        return adapter(type(self)).validate_python({**dataclasses.asdict(self), **changes})


def knob(
    default: object,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    choices: Sequence[object] = (),
    doc: str = "",
    in_key: bool = True,
    key_default: object = dataclasses.MISSING,
    active_if: tuple[str, object] | None = None,
) -> Any:
    """A dataclass field that also declares the range a search may vary it over.

    Args:
        default: the field's default value.
        low: lower end of the range that a search samples from.
        high: upper end of that range.
        log: whether the range is sampled on a logarithmic scale.
        choices: the values that a search samples from, instead of a range.
        doc: one line for the documentation and for error messages.
        in_key: False if no value of the field changes a result; the field is then left out of the key.
        key_default: the value that reproduces results from before the field existed. At this value
            the field is left out of the key, so finished runs keep their keys.
        active_if: another field and the value it must have for a search to vary this one.
    """
    space = {"low": low, "high": high, "log": log, "choices": tuple(choices)}
    searchable = low is not None or bool(choices)
    metadata: dict[str, object] = {"doc": doc, "space": space if searchable else None, "in_key": in_key}
    if active_if is not None:
        metadata["active_if"] = active_if
    if key_default is not dataclasses.MISSING:
        metadata["key_default"] = key_default
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def names(room: str) -> list[str]:
    """Names of the kinds in a room, plugins among them; files that start with an underscore are private."""
    return sorted({*_own_names(room), *(plugin.name for plugin in _plugins(room))})


def module(room: str, name: str) -> ModuleType:
    """The module of a kind, imported now.

    Raises:
        ConfigError: the room has no such kind, two packages offer it, or a plugin does not import.
    """
    own, plugins = _own_names(room), [plugin for plugin in _plugins(room) if plugin.name == name]
    if len(plugins) + (name in own) > 1:
        sources = ["harness"] * (name in own) + [plugin.value for plugin in plugins]
        raise ConfigError(
            f"{room}: '{name}' comes from {' and '.join(sources)}", remedy="uninstall or rename the plugin"
        )
    if name in own:
        return importlib.import_module(f"{ROOMS[room]}.{room}.{name}")
    if plugins:
        return _plugin_module(plugins[0])
    raise ConfigError(f"unknown {room.removesuffix('s')} '{name}'", remedy=nearest(name, names(room)))


@cache
def lookup(room: str, name: str) -> type[Any]:
    """The class of a kind.

    Raises:
        ConfigError: as in `module`.
    """
    file = module(room, name)
    own = [c for c in vars(file).values() if isinstance(c, type) and c.__module__ == file.__name__]
    kinds = [c for c in own if issubclass(c, Kind) and not c.__name__.startswith("_")]
    if len(kinds) != 1:
        raise TypeError(f"{file.__name__} must hold exactly one public Kind, found {len(kinds)}")
    return kinds[0]


def _own_names(room: str) -> list[str]:
    package = importlib.import_module(f"{ROOMS[room]}.{room}")
    return [m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_"]


@cache
def _plugins(room: str) -> tuple[EntryPoint, ...]:
    """Modules that installed packages add to a room; nothing of them is imported."""
    return tuple(entry_points(group=f"harness.{room}"))


def _plugin_module(plugin: EntryPoint) -> ModuleType:
    if plugin.attr or plugin.module.rpartition(".")[2] != plugin.name:
        raise ConfigError(
            f"plugin '{plugin.name}' of {plugin.group} is '{plugin.value}'",
            remedy=f"its entry point names a module whose last part is the kind's name: 'package.{plugin.name}'",
        )
    try:
        return importlib.import_module(plugin.module)
    except Exception as error:
        raise ConfigError(
            f"plugin '{plugin.value}' of {plugin.group} does not import: {type(error).__name__}: {error}",
            remedy="fix or uninstall the package that offers it",
        ) from error


def build(room: str, spec: Spec, *, file: Path | str | None = None) -> Any:
    """The kind that `spec` describes: a bare name, or a mapping with `kind` and its fields.

    Raises:
        ConfigError: unknown kind, unknown field, or a value of the wrong type.
    """
    if not isinstance(spec, str | Mapping) or not all(isinstance(name, str) for name in spec):
        raise ConfigError(
            f"a {room.removesuffix('s')} is a name or a mapping with 'kind', not {spec!r}", file=file
        )
    fields = {"kind": spec} if isinstance(spec, str) else dict(spec)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str):
        raise ConfigError(
            f"a {room.removesuffix('s')} needs 'kind'", file=file, remedy=f"known: {', '.join(names(room))}"
        )
    try:
        cls = lookup(room, kind)
    except ConfigError as error:
        raise ConfigError(error.message, file=file, remedy=error.remedy) from None
    fields = cls.translated(fields, file)
    known = [field.name for field in dataclasses.fields(cls)]
    for name in fields:
        if name not in known:
            raise ConfigError(f"{kind}: unknown setting '{name}'", file=file, remedy=nearest(name, known))
    try:
        return adapter(cls).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{kind}.{setting}: {first['msg']} (got {first['input']!r})", file=file) from None
