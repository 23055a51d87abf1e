"""Resolves the names of `--tasks` to lm-eval's tasks and to the identity of their results.

lm-eval reads about thirteen thousand YAML files before it knows a task by name; a task's own file
is found here by its text, and only names of groups and tags need the whole index.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.core import guarded
from harness.core.errors import ConfigError, nearest
from harness.core.json_types import JsonValue
from harness.core.keys import digest, file_digest
from harness.core.names import file_part
from harness.core.recipes import refuse_bombs

ALLOW = "--allow-task-code"
"""The user's permission for task files to run code."""
MOST_INCLUDED = 100
"""The most files that one task file may include."""
SUFFIXES = (".yaml", ".yml")


def parse(text: str, *, allow_code: bool = False) -> tuple[str, ...]:
    """The names and files of a comma-separated list, each once.

    Args:
        allow_code: whether the user trusts task files: lm-eval renders their templates without a sandbox and runs the
            functions that they name.

    Raises:
        ConfigError: none, a file that does not exist, or a file that is not trusted.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ConfigError("no benchmark named", remedy="--tasks arc_easy,my_task.yaml")
    for name in names:
        if is_file(name) and not Path(name).expanduser().is_file():
            raise ConfigError("no such task file", file=name)
        if is_file(name) and not allow_code and not _is_shipped(Path(name)):
            raise ConfigError(
                "a task file is code: lm-eval renders its templates without a sandbox and runs functions it names",
                file=name,
                remedy=f"read it, and those it includes, and say that you trust them: {ALLOW}",
            )
    return names


def is_file(name: str) -> bool:
    return name.endswith(SUFFIXES)


def label(name: str) -> str:
    """What a task is called in folders: its name, or its file's name."""
    return file_part(Path(name).stem if is_file(name) else name)


def identity(name: str) -> str:
    """A task's identity: lm-eval's version and, for a file, its text, the files it includes, the Python
    files next to it and its local data. Needs no import of lm-eval.

    Raises:
        ConfigError: a file that is not YAML.
    """
    version = importlib.metadata.version("lm_eval")
    if not is_file(name):
        return digest(["lm-eval", version, name])
    path = Path(name).expanduser().resolve()
    files = {path, *path.parent.glob("*.py"), *_included(path)}
    data = [file for source in (path, *_included(path)) for file in _local(read(source), source.parent)]
    return digest(["lm-eval", version, *sorted(file_digest(file) for file in {*files, *data})])


def load(names: Sequence[str]) -> dict[str, Any]:
    """lm-eval's loaded tasks: `{"tasks", "groups", "group_map"}`. Imports lm-eval.

    Raises:
        ConfigError: an unknown task, a malformed file, or data that cannot be read.
    """
    from lm_eval.tasks import TaskManager

    for name in names:
        if not is_file(name):
            _refuse_unknown(name)
    specs = [_spec(name) for name in names]
    whole = any(isinstance(spec, str) and not is_file(spec) for spec in specs)
    manager = TaskManager(include_defaults=whole)
    try:
        return dict(manager.load(specs))
    except KeyError:
        unknown = [name for name in names if not is_file(name) and name not in manager.all_tasks] or list(
            names
        )
        raise ConfigError(
            f"unknown benchmark '{unknown[0]}'", remedy=_nearest(unknown[0], manager.all_tasks)
        ) from None
    except (ValueError, OSError, AttributeError, ImportError, TypeError, yaml.YAMLError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        file = next((name for name in names if is_file(name)), None)
        raise ConfigError(f"the benchmark cannot be loaded: {reason}", file=file) from None


def _refuse_unknown(name: str) -> None:
    """Reject names that do not occur in any of lm-eval's files: this takes seconds and needs no index."""
    texts = [path.read_bytes() for path in _shipped()]
    if not any(name.encode() in text for text in texts):
        line = re.compile(rb"^(?:task|group):[ \t]*([\w.-]+)", re.M)
        names_in_files = {match.decode() for text in texts for match in line.findall(text)}
        raise ConfigError(f"unknown benchmark '{name}'", remedy=_nearest(name, sorted(names_in_files)))


def _nearest(name: str, known: Sequence[str]) -> str:
    """The closest among very many names."""
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    return nearest(name, close) if close else "lm-eval lists its tasks with: lm-eval ls tasks"


def _spec(name: str) -> str | Mapping[str, object]:
    if not is_file(name):
        file = own_file(name)
        return name if file is None else str(file)
    from lm_eval.tasks._yaml_loader import load_yaml

    path = Path(name).expanduser().resolve()
    config: Mapping[str, object] = load_yaml(path, resolve_func=True)
    if not isinstance(config.get("task"), str):
        return str(path)
    return _with_absolute_data(config, path.parent)


def own_file(name: str) -> Path | None:
    """The file of lm-eval that defines the single task `name`; None for groups, tags, unknown names."""
    line = re.compile(rb"^task:[ \t]*[\"']?" + re.escape(name.encode()) + rb"[\"']?[ \t]*(#.*)?\r?$", re.M)
    files = [path for path in _shipped() if line.search(path.read_bytes())]
    return files[0] if len(files) == 1 else None


@cache
def _shipped() -> tuple[Path, ...]:
    package = importlib.util.find_spec("lm_eval")
    if package is None or not package.submodule_search_locations:
        return ()
    return tuple(sorted((Path(package.submodule_search_locations[0]) / "tasks").rglob("*.yaml")))


def read(path: Path) -> Mapping[str, object]:
    """A task file's mapping; functions and other tags are left as their text.

    Raises:
        ConfigError: not YAML, or not a mapping.
    """
    try:
        text = guarded.read_bytes(path, limit=guarded.MAX_YAML).decode()
        refuse_bombs(text, path)
        value = yaml.load(text, Loader=_Plain)
    except (RecursionError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise ConfigError(f"not UTF-8 (byte {error.start})", file=path) from None
        raise ConfigError(f"not YAML: {str(error) or 'nested too deeply'}", file=path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise ConfigError(
            f"not YAML: {getattr(error, 'problem', None) or error}", file=path, line=line
        ) from None
    if not isinstance(value, dict):
        raise ConfigError("must be a mapping of names to values", file=path)
    return value


class _Plain(yaml.SafeLoader):
    """Loads lm-eval's `!function` tags as strings."""


_Plain.add_multi_constructor("!", lambda _, tag, node: f"{tag} {node.value}")


def _is_shipped(path: Path) -> bool:
    """Whether a file is one of lm-eval's own."""
    return path.expanduser().resolve() in {own.resolve() for own in _shipped()}


def _included(path: Path, above: tuple[Path, ...] = ()) -> list[Path]:
    """The files that a task file includes, and those that they include.

    Raises:
        ConfigError: a file that includes itself, or an `include` that names no files.
    """
    own = path.resolve()
    if own in above or len(above) > MOST_INCLUDED:
        raise ConfigError("includes itself", file=path, remedy="delete that `include`")
    includes = read(path).get("include") or []
    names = [includes] if isinstance(includes, str) else includes
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            "include: names no files", file=path, remedy="write a file's name, or a list of them"
        )
    there = [file for file in (path.parent / name for name in names) if file.is_file()]
    return [*there, *(deeper for file in there for deeper in _included(file, (*above, own)))]


def _local(config: Mapping[str, object], folder: Path) -> list[Path]:
    """Data files of a task that are on this machine, by the names in its `dataset_kwargs`."""
    kwargs = config.get("dataset_kwargs")
    files = kwargs.get("data_files") if isinstance(kwargs, dict) else None
    names = [n for part in (files.values() if isinstance(files, dict) else [files]) for n in _names(part)]
    return [(folder / name).resolve() for name in names if (folder / name).is_file()]


def _names(value: object) -> list[str]:
    """A name, several, or none."""
    return [value] if isinstance(value, str) else list(map(str, value)) if isinstance(value, list) else []


def _with_absolute_data(config: Mapping[str, object], folder: Path) -> Mapping[str, object]:
    """Data files named relative to their task's file, which lm-eval would look for in the current folder."""

    def absolute(value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {name: absolute(item) for name, item in value.items()}
        if isinstance(value, list):
            return [absolute(item) for item in value]
        near = folder / str(value)
        return str(near.resolve()) if near.is_file() else value

    kwargs = config.get("dataset_kwargs")
    if not isinstance(kwargs, dict) or "data_files" not in kwargs:
        return config
    return {**config, "dataset_kwargs": kwargs | {"data_files": absolute(kwargs["data_files"])}}
