"""Lazy lookup of kinds: the file's name is the kind's name, and no list is kept.

A *room* is a package such as `harness.methods.programs`; each public file in it holds exactly one
class derived from `Kind`. An installed package adds a module of its own to a room with an entry
point of the group `harness.<room>`. Nothing is imported until it is asked for by name.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from harness.core.errors import ConfigError, nearest

Spec = str | Mapping[str, Any]

ROOMS: Mapping[str, str] = {
    **dict.fromkeys(("data", "base", "weights", "programs", "retrieval"), "harness.methods"),
    **dict.fromkeys(("formats", "layouts", "scorers"), "harness.tasks"),
    **dict.fromkeys(("executors", "loggers"), "harness.runner"),
    "sections": "harness.report",
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

    @classmethod
    def name(cls) -> str:
        return cls.__module__.rpartition(".")[2]

    def config(self) -> dict[str, Any]:
        """The resolved configuration as plain JSON values, with its kind."""
        return {"kind": self.name(), **dataclasses.asdict(self)}

    def identity(self) -> dict[str, Any]:
        """What of this kind decides a result: its configuration and its version, without the fields
        that cannot change one, and those that stand at their neutral value. A plugin's kind names its
        package too: another package may hold another kind of the same name."""
        config = self.config()
        for field in dataclasses.fields(self):
            neutral = field.metadata.get("neutral", dataclasses.MISSING)
            if not field.metadata.get("decides", True) or getattr(self, field.name) == neutral:
                del config[field.name]
        package = type(self).__module__.partition(".")[0]
        plugin = {} if package == "harness" else {"package": package}
        return {**config, **plugin, "version": self.version}

    def replace(self, **changes: Any) -> Self:
        """A validated copy with some fields changed."""
        return _adapter(type(self)).validate_python({**dataclasses.asdict(self), **changes})


def knob(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    choices: Sequence[Any] = (),
    doc: str = "",
    decides: bool = True,
    neutral: Any = dataclasses.MISSING,
    when: tuple[str, Any] | None = None,
) -> Any:
    """A dataclass field that also says over which range a search may vary it.

    Args:
        decides: False where no value of it changes a result: it is then no part of the key.
        neutral: the value at which results are those of the time before the field existed, so that
            a knob that is added later leaves the keys of finished runs as they are.
        when: another field and the one value of it under which a search varies this knob.
    """
    space = {"low": low, "high": high, "log": log, "choices": tuple(choices)}
    searchable = low is not None or bool(choices)
    metadata = {"doc": doc, "space": space if searchable else None, "decides": decides, "when": when}
    if neutral is not dataclasses.MISSING:
        metadata["neutral"] = neutral
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
        ConfigError: as `module` does.
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
    fields = {cls.aliases.get(name, name): value for name, value in fields.items()}
    known = [field.name for field in dataclasses.fields(cls)]
    for name in fields:
        if name not in known:
            raise ConfigError(f"{kind}: unknown setting '{name}'", file=file, remedy=nearest(name, known))
    try:
        return _adapter(cls).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{kind}.{place}: {first['msg']} (got {first['input']!r})", file=file) from None


def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    """Validates the fields of a kind; built once for each."""
    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(cls)
    return _ADAPTERS[cls]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
