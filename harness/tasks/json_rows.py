"""The rows of a JSON file: a list of objects, or one of the shapes that data frames and exports write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.tasks import split_names
from harness.tasks.located import Row

REMEDY = "a list of objects, or an object of objects by id"


def rows(value: object, path: Path) -> Sequence[Any]:
    """The rows in a JSON value: a list, the one list of objects in an object, a table by column, or objects by id.

    Raises:
        ConfigError: none of these, or several lists of objects.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not value:
        raise ConfigError("holds no rows", file=path, remedy=REMEDY)
    lists = {name: part for name, part in value.items() if isinstance(part, list) and _objects(part)}
    if len(lists) == 1:
        return next(iter(lists.values()))
    if len(lists) == len(value) and split_names.is_division(lists):
        return [{**row, split_names.COLUMN: name} for name, part in lists.items() for row in part]
    if lists:
        names = ", ".join(f"'{name}' ({len(part):,})" for name, part in lists.items())
        raise ConfigError(
            f"holds {len(lists)} lists of rows: {names}",
            file=path,
            remedy="write each into a file of its own, such as train.json and test.json in a folder",
        )
    if (table := _table(value)) is not None:
        return table
    if all(isinstance(part, dict) for part in value.values()):
        return [{"id": key, **part} for key, part in value.items()]
    raise ConfigError("holds no rows", file=path, remedy=REMEDY)


def _objects(part: Sequence[object]) -> bool:
    return bool(part) and isinstance(part[0], dict)


def _table(value: Mapping[str, Any]) -> list[Row] | None:
    """Rows of a table that is written by column, as `{name: [cells]}` or pandas' `{name: {row: cell}}`, or as
    `{columns: [names], data: [[cells]]}`; None for any other value."""
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(cells, list) for cells in data):
        if all(len(cells) == len(names) for cells in data):
            return [dict(zip(map(str, names), cells, strict=True)) for cells in data]
        return None
    columns = list(value.values())
    if all(isinstance(cells, list) for cells in columns) and len({len(cells) for cells in columns}) == 1:
        return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
    if not all(isinstance(cells, dict) and cells for cells in columns):
        return None
    index = list(columns[0])
    by_column = len(index) > len(columns) and all(list(cells) == index for cells in columns)
    if by_column and all(key.isdigit() for key in index):
        return [{name: cells[key] for name, cells in value.items()} for key in index]
    return None
