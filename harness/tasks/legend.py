"""Names for class codes: a list beside the data says that 0 is negative, 1 neutral and 2 positive.

A model that is asked for "0, 1 or 2" cannot know what they mean, so `init` writes the names in their place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.tasks import hub_folder
from harness.tasks.located import Located

STEMS = ("classes", "class_names", "labels", "label_names", "label_map", "label2id", "id2label", "categories")
SUFFIXES = (".txt", ".json")
MOST_BYTES = 100_000
MOST_CODES = 200
NUMBERED = re.compile(r"\s*(\d+)\s*[:=,;\t -]\s*(\S.*?)\s*")
SHOWN = 4


@dataclass(frozen=True)
class Legend:
    """What each code of a column means, and the file that says it."""

    names: Mapping[str, str]
    column: str
    file: str

    def applied(self, row: Located) -> Located:
        """The row with the name in place of the code; a row without a code is unchanged."""
        name = self.names.get(_code(row.row.get(self.column)))
        return row if name is None else replace(row, row={**row.row, self.column: name})

    @property
    def line(self) -> str:
        """What `init` says about it."""
        pairs = ", ".join(f"{code} = {name}" for code, name in [*self.names.items()][:SHOWN])
        more = ", …" if len(self.names) > SHOWN else ""
        return f"codes of '{self.column}' become the names in {self.file}: {pairs}{more}"


def find(data: Path, rows: Sequence[Located], column: str) -> Legend | None:
    """The list beside `data`, a file or a folder, that names every code in `column`; None if there is
    none."""
    folder = data if data.is_dir() else data.parent
    codes = {_code(row.row.get(column)) for row in rows} - {""}
    if not codes or len(codes) > MOST_CODES or not all(code.isdecimal() for code in codes):
        return None
    lists = [(folder / f"{stem}{suffix}") for stem in STEMS for suffix in SUFFIXES]
    known = [(path.name, _names(path, folder)) for path in lists if path.is_file() and path != data]
    known.append(("README.md", _declared(folder, column)))
    for file, names in known:
        words = set(names.values())
        if codes <= names.keys() and len(words) == len(names) <= MOST_CODES and not words & names.keys():
            return Legend(names, column, file)
    return None


def _code(value: object) -> str:
    return "" if value is None or isinstance(value, bool | dict | list) else str(value).strip()


def _names(path: Path, folder: Path) -> dict[str, str]:
    """Code → name; empty if the file is not such a list."""
    try:
        text = guarded.file(path, folder, limit=MOST_BYTES, what=guarded.DATA).read_text("utf-8-sig")
        return _of_lines(text) if path.suffix == ".txt" else _of_json(json.loads(text))
    except (ConfigError, OSError, ValueError, RecursionError):
        return {}


def _of_lines(text: str) -> dict[str, str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    if all(numbered):
        return {match[1]: match[2] for match in numbered if match}
    return {str(number): line for number, line in enumerate(lines)}


def _of_json(value: object) -> dict[str, str]:
    """From a list of names, `{"0": name}` or `{name: 0}`."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {str(number): name for number, name in enumerate(value)}
    if not isinstance(value, dict):
        return {}
    if all(isinstance(name, str) for name in value.values()):
        return {str(code): name for code, name in value.items()}
    return {_code(code): str(name) for name, code in value.items()}


def _declared(folder: Path, column: str) -> dict[str, str]:
    """The class labels of a column that the head of a data set's README.md declares."""
    try:
        about = hub_folder.front_matter(folder)
    except ConfigError:
        return {}
    info = about.get("dataset_info") if isinstance(about, dict) else None
    for part in info if isinstance(info, list) else [info]:
        features = part.get("features") if isinstance(part, dict) else None
        for feature in features if isinstance(features, list) else []:
            if isinstance(feature, dict) and feature.get("name") == column:
                kind = feature.get("dtype")
                label = kind.get("class_label") if isinstance(kind, dict) else None
                names = label.get("names") if isinstance(label, dict) else None
                return _of_json(names)
    return {}
