"""A folder in the layout of the `datasets` library, its text files read as they are.

The library infers a type for every column of a JSON or CSV file and changes values that do not have it: a
text 2024-05-01 becomes a time, one number among texts makes "007" the number 7 and "null" nothing. An answer
must stay as the file has it, so here the library only finds the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from harness.core import guarded
from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from datasets import DatasetBuilder

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?P<yaml>.*?)\r?\n---", re.DOTALL)
GUESSED = ("timestamp", "date", "time", "duration")
"""Beginnings of the types that the library guesses from texts."""
GUESSING = ("json", "csv")
"""The library's readers that guess."""


def files(folder: Path, split: str, config: str | None) -> list[Path] | None:
    """The files of a split if all are text whose types would be guessed; None if the library must read
    them: it declares their types, they bring their own, or the split is a part of one (`train[:10%]`).

    Raises:
        ConfigError: its README or a link in it leads out of the folder.
        Exception: whatever the library raises for a folder that it does not understand.
    """
    import datasets

    _refuse_patterns(folder)
    builder = datasets.load_dataset_builder(str(folder), config)
    for path in _data_files(builder):
        guarded.file(Path(path), folder, what=guarded.DATA)
    if builder.info.features is not None or _reader(builder) not in GUESSING:
        return None
    files = {str(name): list(paths) for name, paths in (builder.config.data_files or {}).items()}
    return [Path(path) for path in files[split]] if split in files else None


def source(name: str, folder: Path) -> str:
    """What `data: {hf: NAME}` of the task in `folder` may stand for: a folder in that folder, or a data set
    `owner/name`.

    Any other name is one that the library would look for in the current folder, or one of its own readers.

    Raises:
        ConfigError: the name is neither, or leads out of the task's folder.
    """
    local = folder / name
    if local.is_dir():
        guarded.inside(local, folder)
        return str(local)
    if not HUB_NAME.fullmatch(name) or ".." in name:
        raise ConfigError(
            f"hf: '{name}' is no data set of the hub and no folder of the task",
            file=folder,
            remedy="write owner/name, as in: hf: stanfordnlp/imdb",
        )
    if Path(name).exists():
        raise ConfigError(
            f"hf: '{name}' would be read from the current folder, not from the hub",
            file=folder,
            remedy="run the command in another folder, or name the files: data: {train: FILE, test: FILE}",
        )
    return name


def refuse_foreign(name: str, config: str | None, revision: str | None) -> None:
    """Refuse a hub data set whose README names files of this machine or of another address.

    Raises:
        ConfigError: it does.
        Exception: whatever the library raises for a data set that it cannot load.
    """
    import datasets

    builder = datasets.load_dataset_builder(name, config, revision=revision)
    for path in _data_files(builder):
        if not path.split("::")[-1].startswith(f"hf://datasets/{name}@"):
            raise ConfigError(
                f"data set '{name}' names a file that is not its own: {path}",
                remedy=f"trust it with {guarded.ALLOW_OUTSIDE}=1",
            )


def _data_files(builder: DatasetBuilder) -> list[str]:
    files = builder.config.data_files or {}
    return [str(path) for paths in files.values() for path in paths]


def front_matter(folder: Path) -> object:
    """What the head of a data set's README.md says; None if there is none, or it is not YAML.

    Raises:
        ConfigError: the file leads out of the folder.
    """
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    text = guarded.read_bytes(readme, folder, limit=guarded.MAX_YAML, what=guarded.DATA).decode(
        "utf-8", "replace"
    )
    head = FRONT_MATTER.match(text)
    try:
        return yaml.safe_load(head["yaml"]) if head else None
    except yaml.YAMLError:
        return None  # the library says what is wrong with it


def _refuse_patterns(folder: Path) -> None:
    """Refuse a README whose data files are URLs or lie outside, before the library looks for them."""
    readme = folder / "README.md"
    about = front_matter(folder)
    configs = about.get("configs") if isinstance(about, dict) else None
    for pattern in _texts(configs):
        path = PurePosixPath(pattern)
        if "://" in pattern or "::" in pattern or path.is_absolute() or ".." in path.parts:
            raise ConfigError(
                f"names data outside its folder: {pattern}",
                file=readme,
                remedy="copy the files into the folder",
            )


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def refuse_guessed(rows: Any, name: str) -> None:
    """Refuse columns whose texts the library may have changed.

    Args:
        rows: a `datasets.Dataset` that was read from JSON or CSV files without declared types.

    Raises:
        ConfigError: there are such columns; the message names them with their types.
    """
    columns = dict(_guessed(rows.features))
    if columns and _made_by(rows) in GUESSING:
        listed = ", ".join(f"'{column}' ({kind})" for column, kind in columns.items())
        raise ConfigError(
            f"data set '{name}': the datasets library guessed the types of {listed} and may have changed texts",
            remedy="download its files into the task's folder and name them: data: {train: FILE, test: FILE}",
        )


def _guessed(features: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for column, feature in features.items():
        kind = str(getattr(feature, "dtype", type(feature).__name__))
        if type(feature).__name__ == "Json" or kind.startswith(GUESSED):
            yield column, "mixed types" if type(feature).__name__ == "Json" else kind


def _reader(builder: object) -> str:
    return str(getattr(builder, "name", "") or "") if "packaged_modules" in type(builder).__module__ else ""


def _made_by(rows: Any) -> str:
    return str(getattr(rows.info, "builder_name", "") or "")
