"""A folder in the layout of the `datasets` library, its text files read as they are.

The library infers a type for every column of a JSON or CSV file and changes what does not have it: a text
2024-05-01 becomes a time, one number among texts makes "007" the number 7 and "null" nothing. An answer
must stay what the file says, so the library only finds the files here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError

GUESSED = ("timestamp", "date", "time", "duration")
"""Beginnings of the types that the library guesses from texts."""
GUESSING = ("json", "csv")
"""Its readers that guess."""


def files(folder: Path, split: str, config: str | None) -> list[Path] | None:
    """The files of a split where all are text whose types would be guessed; None where the library must read
    them: it declares their types, they bring their own, or the split is a part of one (`train[:10%]`).

    Raises:
        Exception: whatever the library raises for a folder that it does not understand.
    """
    import datasets

    builder = datasets.load_dataset_builder(str(folder), config)
    if builder.info.features is not None or _reader(builder) not in GUESSING:
        return None
    files = {str(name): list(paths) for name, paths in (builder.config.data_files or {}).items()}
    return [Path(path) for path in files[split]] if split in files else None


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
